"""Connect, describe every model, run and profile it: python examples/checker.py -d DESCRIPTOR [-b BATCH]

Written against the interface of ST's stm_ai_runner: only the import differs.
"""

import argparse
import sys

from ai_runner import AiRunner

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("-d", "--desc", default="", help="what to connect to (default: a board, auto-detected)")
parser.add_argument("-b", "--batch", type=int, default=2, help="number of samples (default: %(default)s)")
args = parser.parse_args()

runner = AiRunner()
if not runner.connect(args.desc):
    sys.exit(f"connect({args.desc!r}) failed: {runner.get_error()}")

for name in runner.names:
    session = runner.session(name)
    session.summary(level=1)
    inputs = session.generate_rnd_inputs(batch_size=args.batch)
    outputs, profiler = session.invoke(inputs, mode=AiRunner.Mode.PER_LAYER)
    session.print_profiling(inputs, profiler, outputs, debug=True)

runner.disconnect()
