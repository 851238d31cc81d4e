"""Random and mutated bytes against the STM32 protocol: an event or a ProtocolError, no hang, bounded memory.

    python benchmarks/stm32_protocol_fuzz.py [cases a dialect, default 200000] [seed]

Each case is one command on a connection of its own and a byte string in place of the device's answers: noise, noise in
well-formed packets, the right messages with bytes and messages changed, or the right packets with bytes changed. A case
that breaks the rule stops the run with what is needed to repeat it.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any

from ai_runner.drivers.stm32.protocol import (
    DIALECTS,
    NEED_DATA,
    ChecksumMemory,
    Command,
    Connection,
    Dialect,
    GetModel,
    GetSystemInfo,
    InputWanted,
    ProtocolError,
    ReadMemory,
    Request,
    Run,
    SelfTest,
    SendTensor,
    State,
    Sync,
    TensorDesc,
    WriteMemory,
)
from ai_runner.firmware_proto.messages import message_classes
from ai_runner.memory_image import bsdchecksum

REQID = 2
# What is sent fits one packet each, so that the sync bytes of a device are no part of a case.
INPUT = TensorDesc("in", 0x00821040, 1, (1, 1, 1, 1), 0.0, 0)
INPUT_DATA = bytes(4)
Conversation = tuple[Command, list[bytes]]


def conversations(dialect: Dialect) -> list[Conversation]:
    """Every command with what a sound device answers to it."""
    answer = message_classes(dialect.family)["respMsg"]

    def message(state: int, reqid: int = REQID, **payload: Any) -> bytes:
        encoded: bytes = answer(reqid=reqid, state=state, **payload).SerializeToString()
        return encoded

    def ack(state: int, param: int = 0, error: int = 0) -> bytes:
        return message(state, ack={"param": param, "error": error})

    log = message(2, log={"level": 1, "str": b"s:node:mcu_cycles:10:100000:20"})
    version = dialect.version[0] << 8 | dialect.version[1]
    run = _run_of_v2(message) if dialect.family == "v2" else _run_of_v3(message)
    found: list[Conversation] = [
        (Sync(), [message(0, sync={"version": version, "capability": 137, "rtid": 65537})]),
        (GetSystemInfo(), [message(0, sinfo={"devid": 0x450, "sclock": 400000000, "cache": 83954689})]),
        (GetModel(0), [log, message(0, **_model(dialect.family))]),
        (GetModel(9), [ack(4, 4, 4)]),
        (Run("tiny", with_data=True), [log, ack(1, 4), ack(1, 4), ack(2, 4), log, *run]),
        (Request(200), [ack(4, 4, 4)]),
        (SelfTest(2), [log, ack(3, 5)]),
    ]
    if dialect.family == "v3":
        data = bytes(range(200))
        written = [ack(1, 12), ack(1, bsdchecksum(data[:12])), ack(3, bsdchecksum(data[12:20]))]
        found += [
            (ReadMemory(0x20000000, 300), [ack(2, 200), *_pieces(message, data, data[:100])]),
            (WriteMemory(0x20000000, data[:20]), written),
            (ChecksumMemory(0x20000000, 100), [ack(3, 1234)]),
            (SelfTest(40, 70, 9), [ack(1, 70), message(2, data={"size": 70, "datas": bytes(70)}), ack(3, 7)]),
        ]
    return found


def _model(family: str) -> dict[str, Any]:
    if family == "v2":
        shape = {"format": 0x1821040, "n_batches": 1, "height": 1, "width": 1, "channels": 4, "zeropoint": -3}
        pools = {"inputs": [shape, shape], "outputs": [shape], "activations": shape, "weights": shape}
        return {"ninfo": {"model_name": b"tiny", "n_macc": 123456, "n_nodes": 3, **pools}}
    desc = {"name": b"t", "format": 0x821040, "size": 4, "n_dims": 1 << 24 | 4, "dims": [1, 4, 1, 1], "zeropoint": -3}
    pools = {"inputs": [desc, desc], "outputs": [desc], "activations": [desc], "params": [desc]}
    return {"minfo": {"name": b"tiny", "n_macc": 123456, "n_nodes": 3, "runtime_desc": b"GCC 12", **pools}}


def _pieces(message: Callable[..., bytes], first: bytes, last: bytes) -> list[bytes]:
    return [
        message(2, data={"size": len(first), "datas": first}),
        message(3, data={"size": len(last), "datas": last}),
    ]


def _run_of_v2(message: Callable[..., bytes]) -> list[bytes]:
    shape = {"format": 0x1821040, "n_batches": 1, "height": 1, "width": 1, "channels": 4}
    buffer = {"shape": shape, "datas": bytes(16)}
    nodes = [
        message(2, node={"type": flags << 16 | 10002, "id": 1 + i, "duration": 0.5, "buffer": buffer})
        for i, flags in enumerate((1, 1, 2))
    ]
    report = message(2, report={"n_nodes": 3, "elapsed_ms": 1.625})
    outputs = [message(state, node={"type": 0, "duration": 1.625, "buffer": buffer}) for state in (2, 3)]
    return [*nodes, report, *outputs]


def _run_of_v3(message: Callable[..., bytes]) -> list[bytes]:
    desc = {"name": b"t", "format": 0x821040, "size": 4, "n_dims": 1 << 24 | 4, "dims": [1, 4, 1, 1]}
    data = {"type": 0, "size": 16, "addr": 0x70000000, "datas": bytes(16)}
    found = []
    for number, flags in enumerate((1, 1, 3)):
        op = {"name": b"dense", "type": flags << 24 | 10002, "id": number, "duration": 0.25, "counters": [100000, 0]}
        found.append(message(2, op=op))
        found.append(message(2, tensor={"desc": {**desc, "flags": 0x104}, "data": data}))
    found.append(message(2, op={"name": b"tiny", "duration": 1.625, "counters": [650000, 0], "stack_used": -1}))
    found.append(message(2, tensor={"desc": {**desc, "flags": 2}, "data": data}))
    found.append(message(3, tensor={"desc": {**desc, "flags": 0x102}, "data": data}))
    return found


def pack(message: bytes, header_bytes: int, size: int = 32) -> bytes:
    """Device-to-host packets of a message."""
    full, rest = divmod(len(message), size)
    head = size.to_bytes(header_bytes, "big")
    packets = b"".join(head + message[i * size : (i + 1) * size] for i in range(full))
    end = (rest | 0x80 << 8 * (header_bytes - 1)).to_bytes(header_bytes, "big")
    return packets + end + message[full * size :].ljust(size, b"\xaa")


def mutated(rng: random.Random, data: bytes) -> bytes:
    """`data` with a few bytes changed, dropped, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xAA, 0xFF, rng.randrange(256)))
        elif kind == 2:
            changed[at:at] = rng.randbytes(rng.randint(1, 12))
        elif kind == 3:
            del changed[at : at + rng.randint(1, 40)]
        else:
            changed[at:at] = changed[at : at + rng.randint(1, 40)]
    return bytes(changed)


def answers(rng: random.Random, messages: list[bytes], header_bytes: int) -> bytes:
    """The bytes of one case."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randbytes(rng.randint(0, 200))
    if kind == 1:
        return b"".join(pack(rng.randbytes(rng.randint(0, 100)), header_bytes) for _ in range(rng.randint(1, 3)))
    if kind == 2:
        return mutated(rng, b"".join(pack(message, header_bytes) for message in messages))
    chosen = list(messages)
    if kind == 3:
        chosen.insert(rng.randrange(len(chosen) + 1), rng.choice(messages))
        del chosen[rng.randrange(len(chosen))]
    else:
        at = rng.randrange(len(chosen))
        chosen[at] = mutated(rng, chosen[at])
    return b"".join(pack(message, header_bytes) for message in chosen)


def prepared(dialect: Dialect, command: Command) -> Connection:
    """A connection on which `command` has just been said as request number 2."""
    version = dialect.version[0] << 8 | dialect.version[1]
    if isinstance(command, Sync):
        connection = Connection(dialect.header_bytes, reqid=REQID - 1)
    else:
        connection = Connection(dialect.header_bytes)
        connection.send(Sync())
        sync = message_classes("v3")["respMsg"](reqid=1, state=0, sync={"version": version}).SerializeToString()
        connection.receive_data(pack(sync, dialect.header_bytes))
        connection.next_event()
    connection.send(command)
    return connection


def outcome(connection: Connection, stream: bytes, rng: random.Random) -> str:
    """Feeds a case; raises AssertionError where it takes too many steps or holds too much."""
    turns = events = position = 0
    most = 4 * len(stream) + 16
    while position < len(stream):
        piece = stream[position : position + rng.choice((1, 7, 33, 34, 1000))]
        position += len(piece)
        connection.receive_data(piece)
        event: Any = None
        while event is not NEED_DATA:
            turns += 1
            assert turns <= most, "no end"
            try:
                event = connection.next_event()
            except ProtocolError:
                assert connection.state is State.FAILED
                assert not connection.data_to_send()
                return "protocol error"
            connection.data_to_send()
            events += event is not NEED_DATA
            if isinstance(event, InputWanted):
                connection.send(SendTensor(INPUT_DATA, INPUT))
        assert connection.held <= position, f"{connection.held} bytes held of {position}"
    return "events only" if events else "nothing yet"


def fuzz(dialect: Dialect, cases: int, seed: int = 1) -> Counter[str]:
    """Runs `cases` cases; counts how they ended."""
    rng = random.Random(f"{seed}{dialect.name}")
    known = conversations(dialect)
    counts: Counter[str] = Counter()
    for case in range(cases):
        command, messages = rng.choice(known)
        stream = answers(rng, messages, dialect.header_bytes)
        try:
            counts[outcome(prepared(dialect, command), stream, rng)] += 1
        except Exception as error:
            raise AssertionError(f"{dialect.name} seed {seed} case {case}: {command} {stream.hex()}") from error
    return counts


def peak_memory() -> float:
    """MB that this process has needed at most; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for dialect in DIALECTS:
        fuzz(dialect, min(1000, cases), seed + 1)
    before = peak_memory()
    for dialect in DIALECTS:
        start = perf_counter()
        counts = fuzz(dialect, cases, seed)
        ended = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
        print(f"{dialect.name:8} {cases} cases in {perf_counter() - start:.0f} s: {ended}")
    print(f"peak memory {before:.0f} MB after warming up, {peak_memory():.0f} MB at the end")


if __name__ == "__main__":
    main()
