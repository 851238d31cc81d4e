"""Read the profiler dict: times, types and tensors of every node: python examples/ai_runner_test.py -d DESCRIPTOR

Written against the interface of ST's stm_ai_runner: only the import differs.
"""

import argparse
import sys

from ai_runner import AiRunner, AiRunnerCallback


class Progress(AiRunnerCallback):
    """Counts samples while they run."""

    def on_sample_end(self, idx, data, logs=None):
        print(f"sample {idx}: {len(data)} output(s), {logs['dur']:.3f} ms")
        return True


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("-d", "--desc", default="", help="what to connect to (default: a board, auto-detected)")
args = parser.parse_args()

runner = AiRunner()
if not runner.connect(args.desc):
    sys.exit(f"connect({args.desc!r}) failed: {runner.get_error()}")

session = runner.session(runner.names[0])
inputs = session.generate_rnd_inputs(batch_size=3)
mode = AiRunner.Mode.PER_LAYER_WITH_DATA
outputs, profiler = session.invoke(inputs, mode=mode, callback=Progress())

print(f"\n{profiler['info']['name']}: {profiler['info']['n_nodes']} nodes, mode {profiler['mode']}")
for node in profiler["c_nodes"]:
    times = node["c_durations"]
    mean = f"{sum(times) / len(times):8.4f} ms" if times else "not measured"
    for shape, data in zip(node["shape"], node["data"], strict=True):
        print(f"  {node['m_id']:3d} {node['layer_desc']:28s} {mean}  {shape} min={data.min():.4g} max={data.max():.4g}")

runner.disconnect()
