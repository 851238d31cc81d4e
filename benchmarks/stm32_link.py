"""The link to a board against a bare os.read/os.write loop that moves the same packets, in turn within one run.

    python benchmarks/stm32_link.py [--seconds S] [--bytes N] [MODEL.tflite ...]

The firmware is a process behind a pseudo-terminal, built for each kind of packets. One invoke through the driver is
recorded: what the host writes, turn by turn, and how many bytes come back. The bare loop writes and awaits the same
against a second process of the same firmware and looks at nothing. So a ratio holds everything that the driver adds,
from array to result. One model takes a large tensor and gives four bytes, the other the reverse, and neither computes.
The 0.1 ms that an invoke costs whatever its size is in the ratio, too: tensors have 512 KiB, for the packets to be what
is measured, and 16 KiB in 32-byte packets to the device, each of which it has to ask for.

Other load hits both alike, a round long; a round is short, and what counts is the median of the ratios of the rounds.
Where that misses its limit, a measurement three times as long is added to it. Invokes have no bare loop beside them,
and other load only slows them down: there the fastest round counts.

Models that are given are compared without limit, in a plain run and with the tensors of every node.

Exits with 1 when a median misses its limit. Needs a C compiler and the schema of ai-edge-litert, which writes models.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from link_conversation import bare_loop, open_driver, record
from link_models import write_models

from ai_runner import AiRunner
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.model import Mode

PACKETS = (("v3.1-2b", 0), ("v3.1-1b", 0), ("v2.1", 0), ("v3.1-2b", 4094))  # dialect, large packets
LIMITS = {"takes": 0.7, "gives": 0.8}
LARGE_LIMIT = 0.8
DIRECTIONS = {"takes": "to device", "gives": "to host"}
SMALL = 32  # bytes of a packet
SLOW_SHARE = 32  # of the tensor goes to the device where every 32 bytes wait for it
INVOKES_LIMIT = 2500  # a second
BATCH = 20
ROUND_S = 0.003
MIN_ROUNDS = 9

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What is compared: a model of a firmware that was built, and how it is run."""

    folder: Path
    model: str
    mode: Mode = Mode.IO_ONLY

    def invoker(self, driver: Stm32Driver) -> Call:
        inputs = [np.zeros(info.shape, info.dtype) for info in driver.info(self.model).inputs]
        return lambda: driver.invoke(self.model, inputs, self.mode)


@dataclass(frozen=True)
class Comparison:
    """Medians: seconds of an invoke, and of every round the bare loop's over the driver's."""

    driver: float
    bare: float
    ratio: float


def seconds(call: Call, number: int) -> float:
    """Mean time of `number` calls."""
    begin = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - begin) / number


def compare(bare: Call, driver: Call, duration: float, limit: float) -> Comparison:
    """The driver between two turns of the bare loop, for `duration` s; for longer when the ratio misses its limit."""
    seconds(driver, 3)
    number = max(1, round(ROUND_S / seconds(bare, 3)))
    times: list[tuple[float, float]] = []
    for more in (duration, 3 * duration):
        end = time.perf_counter() + more
        while time.perf_counter() < end or len(times) < MIN_ROUNDS:
            before, ours, after = (seconds(call, number) for call in (bare, driver, bare))
            times += [(before, ours), (after, ours)]
        found = statistics.median(b / d for b, d in times)
        if found >= limit:
            break
    return Comparison(statistics.median(d for _, d in times), statistics.median(b for b, _ in times), found)


def against_firmware(case: Case, duration: float, limit: float = 0.0) -> Comparison:
    with start_firmware(case.folder) as firmware:
        conversation = record(firmware.descriptor, case.invoker)
    with start_firmware(case.folder) as first, start_firmware(case.folder) as second:
        driver = open_driver(first.descriptor)
        try:
            with bare_loop(second.descriptor.split(":")[1], conversation) as bare:
                return compare(bare, case.invoker(driver), duration, limit)
        finally:
            driver.close()


def packets_are_fast(dialect: str, large: int, folder: Path, tensor_bytes: int, duration: float) -> bool:
    """Prints a line for each direction; False when one misses its limit."""
    sizes = {"takes": tensor_bytes if large else tensor_bytes // SLOW_SHARE, "gives": tensor_bytes}
    folder.mkdir()
    build_firmware(write_models(folder, sizes), folder / "built", dialect=dialect, large_packet=large)
    fast = True
    for name, direction in DIRECTIONS.items():
        case = Case(folder / "built", name)
        limit = LARGE_LIMIT if large else LIMITS[name]
        found = against_firmware(case, duration, limit)
        rate, bare = (sizes[name] / 1e6 / s for s in (found.driver, found.bare))
        print(
            f"{dialect:<8} {large or SMALL:>5} B  {direction:<10} {rate:7.2f} MB/s  {bare:7.2f} MB/s"
            f"  {found.ratio:5.2f} x  {limit:5.1f} x"
        )
        fast &= found.ratio >= limit
    return fast


def invokes_are_fast(folder: Path, duration: float) -> bool:
    """Prints a line for single invokes of a runner and one for batches; False when one misses its limit."""
    rows = np.array([[1, -2, 3, -4]] * BATCH, np.float32)
    with start_firmware(folder) as firmware, AiRunner.open(firmware.descriptor) as runner:
        contestants: dict[str, Call] = {
            "invokes of one sample": lambda: [runner.invoke(rows[i : i + 1], name="tiny") for i in range(BATCH)],
            f"samples of a batch of {BATCH}": lambda: runner.invoke(rows, name="tiny"),
        }
        times: list[list[float]] = []
        end = time.perf_counter() + duration
        while time.perf_counter() < end or len(times) < MIN_ROUNDS:
            times.append([seconds(call, 1) for call in contestants.values()])
    rates = [BATCH / min(column) for column in zip(*times, strict=True)]
    for what, rate in zip(contestants, rates, strict=True):
        print(f"float32[4], IO_ONLY, {what:<24} {rate:6.0f}/s  (limit {INVOKES_LIMIT}/s)")
    return min(rates) >= INVOKES_LIMIT


def show_models(models: Mapping[str, Path], folder: Path, duration: float) -> None:
    for name, path in models.items():
        build_firmware({"network": path}, folder / name)
        for mode in (Mode.IO_ONLY, Mode.PER_LAYER_WITH_DATA):
            case = Case(folder / name, "network", mode)
            found = against_firmware(case, duration)
            what = f"{name}, {mode.name}"
            print(f"{what:<45} {found.driver * 1e3:8.2f} ms  {found.bare * 1e3:8.2f} ms bare  {found.ratio:5.2f} x")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one comparison (default: %(default)s)")
    parser.add_argument("--bytes", type=int, default=1 << 19, help="of the large tensors (default: %(default)s)")
    arguments = parser.parse_args()
    print("packets                         driver         bare loop    ratio    limit")
    with tempfile.TemporaryDirectory() as scratch:
        fast = True
        for dialect, large in PACKETS:
            folder = Path(scratch) / f"{dialect}-{large}"
            fast &= packets_are_fast(dialect, large, folder, arguments.bytes, arguments.seconds)
        fast &= invokes_are_fast(Path(scratch) / f"{PACKETS[0][0]}-{PACKETS[0][1]}" / "built", arguments.seconds)
        show_models({path.stem: path for path in arguments.models}, Path(scratch), arguments.seconds)
    return int(not fast)


if __name__ == "__main__":
    sys.exit(main())
