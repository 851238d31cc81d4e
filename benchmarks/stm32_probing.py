"""How long it takes to find a board, from every state that a client may have left it in, in every dialect.

    python benchmarks/stm32_probing.py [--rounds N] [--dialect NAME]

The firmware is a process behind a pseudo-terminal. A first client brings it into a state and goes away; measured is
what a second one takes from opening the port to a board that has answered a SYNC and tells its model. Exit code 1 when
a board is not found, or an idle one takes longer than 100 ms in the median. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32.connecting import establish
from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.protocol import GetModel, ModelDescription
from ai_runner.drivers.stm32.protocol.codec_v3 import CodecV3
from ai_runner.drivers.stm32.protocol.codes import CommandCode
from ai_runner.drivers.stm32.protocol.commands import Request
from ai_runner.drivers.stm32.protocol.dialect import V3_1_2B
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE, packet, varint
from ai_runner.drivers.stm32.protocol.probing import sync_packet
from ai_runner.errors import AiRunnerError
from ai_runner.firmware import build_firmware, start_firmware
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport

MODEL = Path(__file__).resolve().parents[1] / "examples" / "models" / "digits_int8.tflite"
LARGE = 4094
DIALECTS = {"v2.1": 1, "v3.1-1b": 1, "v3.1-2b": 2}
STATES = (
    "idle",
    *(f"zeros {count}" for count in (1, 7, 20, 32, 33, 34, 40)),
    *("text hello", "text some more of it, which is longer than a packet of the firmware"),
    *("foreign sync 1", "foreign sync 2", "own sync cut 1", "own sync cut 2"),
    *("killed in an input", "killed after the run ack"),
)
LARGE_STATES = tuple(
    f"large {state}"
    for state in ("idle", "zeros 100", "zeros 5000", "text hello", "killed in an input", "killed after the run ack")
)
IDLE_LIMIT = 0.1  # s
SETTLE = 0.02  # s of silence until a state is reached


class Leaver:
    """A client that leaves a board in a state."""

    def __init__(self, line: Transport, header_bytes: int) -> None:
        self._line = line
        self._header_bytes = header_bytes
        self._size = PACKET_SIZE

    def leave(self, state: str) -> None:
        """Brings an idle board into `state`, one of STATES and LARGE_STATES."""
        if state.startswith("large "):
            self._say(self._request(CommandCode.SYS_INFO))
            self._size, state = LARGE, state.removeprefix("large ")
        what, _, rest = state.partition(" ")
        match what:
            case "zeros":
                self._say(bytes(int(rest)))
            case "text":
                self._say(rest.encode())
            case "foreign":
                for _ in range(int(rest.split()[-1])):
                    self._say(sync_packet(1, 3 - self._header_bytes))
            case "own":
                for _ in range(int(rest.split()[-1])):
                    self._say(sync_packet(1, self._header_bytes)[:-1])
            case "killed":
                self._say(self._request(CommandCode.NETWORK_RUN, "digits"))
                if rest == "in an input":
                    payload = (varint(4100) + bytes(range(256)) * 17)[: self._size]
                    self._say(packet(payload, self._header_bytes, self._size) + bytes([0, 9, 9]))

    def _request(self, code: CommandCode, name: str = "") -> bytes:
        message = CodecV3(V3_1_2B).request(5, Request(code, int(bool(name)), name))
        return packet(varint(len(message)) + message, self._header_bytes, self._size)

    def _say(self, data: bytes) -> None:
        self._line.write(data, self._line.deadline(5))
        while self._line.read(1 << 16, self._line.deadline(SETTLE)):
            continue


@contextmanager
def started(dialect: str, large: bool) -> Iterator[str]:
    """The descriptor of a firmware that is built and started for it."""
    with tempfile.TemporaryDirectory() as folder:
        choices = {"dialect": dialect, "large_packet": LARGE if large else 0}
        build = build_firmware({"digits": MODEL}, Path(folder) / "out", **choices)  # type: ignore[arg-type]
        with start_firmware(build.folder) as firmware:
            yield firmware.descriptor


def found_within(descriptor: str, dialect: str) -> float:
    """Seconds until the board is found; infinite where it is not, or is another one."""
    begin = time.perf_counter()
    try:
        transport, connection, _ = establish(parse_descriptor(descriptor), {"timeout": 60}, Deadline(60))
    except AiRunnerError as error:
        print(error, file=sys.stderr)
        return float("inf")
    spent = time.perf_counter() - begin
    with transport:
        model = Link(transport, connection).answer(GetModel(0))
    known = connection.dialect is not None and connection.dialect.name == dialect
    return spent if known and isinstance(model, ModelDescription) and model.name == "digits" else float("inf")


def measure(descriptor: str, dialect: str, state: str, rounds: int) -> list[float]:
    """Seconds, once a round."""
    spent = []
    for _ in range(rounds):
        with open_transport(parse_descriptor(descriptor).address, 115200, Deadline(60)) as line:
            Leaver(line, DIALECTS[dialect]).leave(state)
        spent.append(found_within(descriptor, dialect))
    return spent


def main() -> int:
    """Prints a line for each state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dialect", choices=tuple(DIALECTS))
    arguments = parser.parse_args()
    names = [arguments.dialect] if arguments.dialect else list(DIALECTS)
    missed, slow = 0, 0
    print(f"{'dialect':<9} {'left':<66} {'median':>9} {'slowest':>9}")
    for dialect in names:
        for large in (False, True) if DIALECTS[dialect] == 2 else (False,):
            with started(dialect, large) as descriptor:
                found_within(descriptor, dialect)  # imports what the first client of a process imports
                for state in LARGE_STATES if large else STATES:
                    spent = measure(descriptor, dialect, state, arguments.rounds)
                    median = statistics.median(spent)
                    missed += sum(seconds == float("inf") for seconds in spent)
                    slow += state == "idle" and median > IDLE_LIMIT
                    print(f"{dialect:<9} {state:<66} {median * 1e3:>6.0f} ms {max(spent) * 1e3:>6.0f} ms", flush=True)
    print(f"{missed} not found, {slow} idle boards slower than {IDLE_LIMIT * 1e3:.0f} ms")
    return int(bool(missed or slow))


if __name__ == "__main__":
    sys.exit(main())
