"""What becomes of runs on a board when its line fails: 2 000 seeded faults, one a run, at a random byte.

    python benchmarks/stm32_faults.py [--runs N] [--first SEED] [--dialect NAME] [--verify]

The firmware is a process behind a pseudo-terminal, the fault is drawn and injected by
`ai_runner.transport.fault_injector`. Counted is how each run ends:

    right       the outputs are those of an undisturbed run
    error       an error of AiRunner, within the deadline
    flipped     other outputs, after a bit of a tensor's elements was flipped: no dialect has a checksum of them
    wrong       other outputs after any other fault: there must be none
    late        an error after the deadline: there must be none
    stuck       the same driver does not work afterwards (a pulled cable: after opening it again): there must be none

Exit code 1 where there is one that must not be. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.errors import AiRunnerError
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.model import Mode
from ai_runner.transport import Transport
from ai_runner.transport.fault_injector import Fault, FaultInjector, FaultKind, random_fault

MODEL = Path(__file__).resolve().parents[1] / "examples" / "models" / "digits_int8.tflite"
FIRMWARES: dict[str, dict[str, Any]] = {
    "v2.1": {"dialect": "v2.1"},
    "v3.1-1b": {"dialect": "v3.1-1b"},
    "v3.1-2b": {"dialect": "v3.1-2b"},
    "v3.1-2b large": {"dialect": "v3.1-2b", "large_packet": 4094},
}
MODES = (Mode.IO_ONLY, Mode.PER_LAYER, Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA)
SILENCE = 0.15  # s, of which no undisturbed run needs a tenth
LONGEST_DELAY = 0.3  # s: about half of them are longer than the silence that is allowed
# A run waits for an answer once, brings the board back once, and waits once more. To bring it back may take a second,
# in large packets 2.5 s and what some of them take on the wire.
DEADLINE = 2 * SILENCE + 1.0 + LONGEST_DELAY + 0.5
LARGE_PACKETS = 1.5 + 8 * 10 * 4096 / 115200  # s more
BAD = ("wrong", "late", "stuck")


@dataclass
class Tally:
    """What was counted for one firmware."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seeds: dict[str, list[int]] = field(default_factory=dict)
    slowest: float = 0.0
    recovery: float = 0.0

    def add(self, outcome: str, seed: int) -> None:
        self.outcomes[outcome] += 1
        if outcome in (*BAD, "flipped"):
            self.seeds.setdefault(outcome, []).append(seed)


class Bench:
    """A driver on a firmware, and the line between them."""

    def __init__(self, descriptor: str, verify: bool = False, large_packets: bool = False) -> None:
        options = f"?silence={SILENCE}" + ("&verify=1" if verify else "")
        self.line: FaultInjector | None = None
        self.deadline = DEADLINE + large_packets * LARGE_PACKETS
        self.driver = Stm32Driver(parse_descriptor(descriptor + options), wrap=self._wrap)
        self.driver.open(Deadline(20))
        (tensor,) = self.driver.info(self.driver.names()[0]).inputs
        random_input = np.random.default_rng(0)
        self.inputs = [random_input.integers(-128, 128, (2, *tensor.sample_shape), np.int8)]
        self.expected, self.bytes = {}, {}
        for mode in MODES:
            before = self._counts()
            self.expected[mode] = self.run(mode)
            self.bytes[mode] = tuple(now - then for now, then in zip(self._counts(), before, strict=True))

    def _wrap(self, transport: Transport) -> Transport:
        self.line = FaultInjector(transport)
        return self.line

    def _counts(self) -> tuple[int, int]:
        assert self.line is not None
        return self.line.written, self.line.read_bytes

    def run(self, mode: Mode) -> list[bytes]:
        """Outputs and tensors of nodes of one batch of two."""
        found = self.driver.invoke(self.driver.names()[0], self.inputs, mode)
        return [array.tobytes() for array in (*found.outputs, *(data for node in found.nodes for data in node.data))]

    def faulty_run(self, seed: int, tally: Tally) -> None:
        """One run with one fault, and one without."""
        source = random.Random(seed)
        mode = source.choice(MODES)
        fault = random_fault(source, *self.bytes[mode], LONGEST_DELAY)
        assert self.line is not None
        self.line.inject(fault)
        begin = time.monotonic()
        try:
            outcome = "right" if self.run(mode) == self.expected[mode] else self._wrong(fault)
        except AiRunnerError:
            outcome = "error"
        spent = time.monotonic() - begin
        self.line.clear()
        tally.slowest = max(tally.slowest, spent)
        tally.add("late" if outcome == "error" and spent > self.deadline else outcome, seed)
        begin = time.monotonic()
        try:
            if fault.kind is FaultKind.DISCONNECT:
                self.driver.open(Deadline(20))
            works = self.run(mode) == self.expected[mode]
        except AiRunnerError as error:
            print(f"seed {seed}: {fault}: {error}", file=sys.stderr)
            works = False
        if not works:
            tally.add("stuck", seed)
            self.driver.open(Deadline(20))
        tally.recovery = max(tally.recovery, time.monotonic() - begin)

    def _wrong(self, fault: Fault) -> str:
        return "flipped" if fault.kind is FaultKind.FLIP else "wrong"


@contextmanager
def started(choices: dict[str, Any]) -> Iterator[str]:
    """The descriptor of a firmware that is built and started for it."""
    with tempfile.TemporaryDirectory() as folder:
        build = build_firmware({"digits": MODEL}, Path(folder) / "out", **choices)
        with start_firmware(build.folder) as firmware:
            yield firmware.descriptor


def measure(name: str, seeds: range, verify: bool, show: Callable[[str], None]) -> Tally:
    """The runs with these seeds on one firmware."""
    with started(FIRMWARES[name]) as descriptor:
        bench = Bench(descriptor, verify, "large_packet" in FIRMWARES[name])
        return _measured(bench, seeds, show)


def _measured(bench: Bench, seeds: range, show: Callable[[str], None]) -> Tally:
    tally = Tally()
    for seed in seeds:
        bench.faulty_run(seed, tally)
        if sys.stderr.isatty():
            show(f"{seed - seeds.start + 1} of {len(seeds)}")
    bench.driver.close()
    return tally


def main() -> int:
    """Prints a line for each firmware."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="in all (default: 2000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the first run (default: 0)")
    parser.add_argument("--dialect", choices=tuple(FIRMWARES), help="only this firmware")
    parser.add_argument("--verify", action="store_true", help="with the option verify=1")
    arguments = parser.parse_args()
    names = [arguments.dialect] if arguments.dialect else list(FIRMWARES)
    logging.getLogger("ai_runner").setLevel(logging.ERROR)  # which faults were noticed is counted, not told
    share = -(-arguments.runs // len(names))
    kinds = ("right", "error", "flipped", *BAD)
    print(f"{'firmware':<14} {'runs':>5} " + " ".join(f"{kind:>8}" for kind in kinds) + "   slowest  slowest again")
    bad = False
    for i, name in enumerate(names):
        seeds = range(arguments.first + i * share, arguments.first + (i + 1) * share)
        tally = measure(name, seeds, arguments.verify, lambda text: print(text, end="\r", file=sys.stderr))
        counts = " ".join(f"{tally.outcomes[kind]:>8}" for kind in kinds)
        print(f"{name:<14} {share:>5} {counts} {tally.slowest:>7.2f} s {tally.recovery:>12.2f} s", flush=True)
        for kind in BAD:
            if tally.seeds.get(kind):
                bad = True
                print(f"  {kind}: seeds {' '.join(map(str, tally.seeds[kind]))}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
