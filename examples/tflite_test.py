"""Compare a deployed model with its .tflite: python examples/tflite_test.py -m MODEL.tflite -d DESCRIPTOR

The short form of `ai-runner validate`, to copy and change. Exits with 1 when an output differs by more than --max-lsb.
"""

import argparse
import sys

import numpy as np

from ai_runner import AiRunner

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("-m", "--model", required=True, help="the .tflite that was deployed")
parser.add_argument("-d", "--desc", default="", help="where it was deployed to (default: a board, auto-detected)")
parser.add_argument("-b", "--batch", type=int, default=10, help="number of random samples (default: %(default)s)")
parser.add_argument("--max-lsb", type=float, default=1.0, help="largest allowed difference (default: %(default)s)")
args = parser.parse_args()

with AiRunner.open(f"tflite:{args.model}?kernels=reference") as reference, AiRunner.open(args.desc) as target:
    inputs = target.generate_rnd_inputs(batch_size=args.batch)
    expected = reference.run(inputs, io_mode="dequantize")
    computed = target.run(inputs, io_mode="dequantize")

worst = 0.0
for tensor, a, b in zip(expected.info.outputs, expected.outputs, computed.outputs, strict=True):
    error = (b.reshape(a.shape) - a).astype(np.float64)
    lsb = tensor.quantization.scale[0] if tensor.quantization else 1e-5
    rmse, l2r = np.sqrt(np.mean(error**2)), np.linalg.norm(error) / max(np.linalg.norm(a), 1e-12)
    worst = max(worst, np.abs(error).max() / lsb)
    print(f"{tensor.name}: rmse={rmse:.6f} l2r={l2r:.6f} max={np.abs(error).max() / lsb:.2f} LSB (1 LSB = {lsb:.6g})")
print(f"reference {np.mean(expected.durations):.3f} ms, target {np.mean(computed.durations):.3f} ms a sample")
sys.exit(worst > args.max_lsb)
