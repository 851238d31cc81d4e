"""Run a model on random data: python examples/minimal.py -d DESCRIPTOR"""

import argparse

from ai_runner import AiRunner

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-d", "--desc", default="", help="for instance file:build/demo/st-ai or tflite:model.tflite")
args = parser.parse_args()

with AiRunner.open(args.desc) as runner:
    inputs = runner.generate_rnd_inputs(batch_size=2)
    result = runner.run(inputs)

for tensor, output in zip(result.info.outputs, result.outputs, strict=True):
    print(f"{tensor.name}: {output.dtype}{list(output.shape)}")
    print(output)
print(f"{sum(result.durations) / len(result.durations):.3f} ms a sample ({result.source})")
