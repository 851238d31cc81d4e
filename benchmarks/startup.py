"""Start-up: import AiRunner over import numpy, and ai-runner --help over import AiRunner, whole processes in turn.

    python benchmarks/startup.py [--runs N]

Exits with 1 when a median ratio is above its limit.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LIMITS = {"import AiRunner / import numpy": 1.3, "ai-runner --help / import AiRunner": 1.5}
COMMANDS = {
    "numpy": [sys.executable, "-c", "import numpy"],
    "ai_runner": [sys.executable, "-c", "from ai_runner import AiRunner"],
    "help": [sys.executable, "-m", "ai_runner.cli", "--help"],
}


def seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21, help="runs of each command (default: %(default)s)")
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):  # the first round fills the file cache and is dropped
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    median = {name: statistics.median(found[1:]) for name, found in times.items()}
    for name, value in median.items():
        print(f"{name:10s} {1000 * value:7.1f} ms (median of {runs}, host)")
    ratios = {
        "import AiRunner / import numpy": median["ai_runner"] / median["numpy"],
        "ai-runner --help / import AiRunner": median["help"] / median["ai_runner"],
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f} x (limit {LIMITS[name]} x)")
    return int(any(ratio > LIMITS[name] for name, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
