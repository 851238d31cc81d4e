"""Whatever comes over the wire, nothing is read or written out of bounds, and the device can be talked to again."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.firmware.image import DIALECTS
from ai_runner.firmware_proto.messages import message_classes

SANITIZED = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
BYTES = 60_000
COMMANDS = (0, 1, 10, 11, 20, 21, 22, 100, 200)
NUMBERS = (0, 1, 2, 4, 7, 32, 64, 100, 500, 0x200, 0x20000000, 0xFFFFFFFF, 40 << 16 | 20, 30 << 16 | 1, 1000 << 16 | 30)


@pytest.fixture
def exchange(built: Any, compiler: str, tmp_path: Path) -> Callable[[str, bytes], bytes]:
    """Feeds bytes to a firmware under sanitizers, to the end, and returns what it said."""
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }")
    command = [*compiler.split(), *SANITIZED.split(), str(probe), "-o", str(tmp_path / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("the compiler has no sanitizers")

    def run(dialect: str, data: bytes) -> bytes:
        binary = built(dialect=dialect, cflags=SANITIZED).binary
        done = subprocess.run([str(binary), "--stdio"], input=data, capture_output=True, timeout=120, check=False)
        assert (done.returncode, done.stderr.decode()) == (0, "")
        return done.stdout

    return run


def sync_is_answered(said: bytes, header_bytes: int) -> bool:
    """Whether the last packet is the answer to a sync request 99."""
    return said[-32 - header_bytes :][header_bytes:].startswith(bytes.fromhex("0863 1000 52"))


def sync_packet(header_bytes: int) -> bytes:
    """Sync request 99."""
    request = bytes.fromhex("0a 0863 1000 1800 2200 2800")
    return (len(request).to_bytes(header_bytes) + request).ljust(header_bytes + 32, b"\0")


def mutated(rng: random.Random, family: str, header_bytes: int) -> Iterator[bytes]:
    """Packets of messages that are nearly right."""
    classes = message_classes(family)
    while True:
        request = classes["reqMsg"](reqid=rng.randrange(300), cmd=rng.choice(COMMANDS), opt=rng.choice(NUMBERS))
        request.param = rng.choice(NUMBERS)
        request.name = rng.choice((b"", b"digits", b"real", b"x" * 63, b"x" * 64))
        message = bytearray(request.SerializeToString())
        if rng.random() < 0.3:
            message[rng.randrange(len(message))] = rng.randrange(256)
        if rng.random() < 0.3:
            data = rng.randbytes(rng.choice((0, 1, 16, 64, 256, 1024)))
            message = bytearray(b"\x08\0\x10\0\x18\0\x22" + bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) + data)
        length = bytes([len(message) & 0x7F | 0x80, len(message) >> 7]) if len(message) > 127 else bytes([len(message)])
        stream = length + bytes(message)
        for at in range(0, len(stream), 32):
            piece = stream[at : at + 32]
            count = len(piece) if rng.random() < 0.95 else rng.randrange(256)
            yield count.to_bytes(header_bytes) + piece.ljust(32, b"\0")


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(seed: int, dialect: str, exchange: Any) -> None:
    exchange(dialect, random.Random(seed).randbytes(BYTES))


@pytest.mark.parametrize("seed", range(4))
def test_messages_that_are_nearly_right(seed: int, dialect: str, exchange: Any) -> None:
    rng = random.Random(seed)
    data = b""
    packets = mutated(rng, DIALECTS[dialect].family, DIALECTS[dialect].header_bytes)
    while len(data) < BYTES:
        data += next(packets)
    assert len(exchange(dialect, data)) > 100


@pytest.mark.parametrize("stray", [b"", b"\0", bytes(7), bytes(20), bytes(32), bytes(33), bytes(34), bytes(40)])
def test_stray_zeros_are_overcome_by_zeros(stray: bytes, dialect: str, built: Any, started: Any) -> None:
    header_bytes = DIALECTS[dialect].header_bytes
    wire = started(built(dialect=dialect))
    wire.write(stray)
    for _ in range(len(stray) // (header_bytes + 32)):
        assert wire.read_exactly(1) == b"\xaa"
    missing = -len(stray) % (header_bytes + 32)
    for _ in range(missing):
        wire.write(b"\0")
    if missing:
        assert wire.read_exactly(1) == b"\xaa"
    wire.write(sync_packet(header_bytes))
    assert sync_is_answered(wire.read_exactly(header_bytes + 32), header_bytes)


def test_a_request_longer_than_any_is_dropped(dialect: str, built: Any, started: Any) -> None:
    header_bytes = DIALECTS[dialect].header_bytes
    wire = started(built(dialect=dialect))
    wire.write((32).to_bytes(header_bytes) + b"\xff" * 32)
    wire.write((5).to_bytes(header_bytes) + b"\xff\xff\xff\xff\x7f".ljust(32, b"\0"))
    wire.write(sync_packet(header_bytes))
    assert sync_is_answered(wire.read_exactly(header_bytes + 32), header_bytes)


def test_a_half_request_ends_where_it_announced(dialect: str, built: Any, started: Any) -> None:
    """The other half is asked for; a filler completes it, and it is dropped."""
    header_bytes = DIALECTS[dialect].header_bytes
    wire = started(built(dialect=dialect))
    filler = (32).to_bytes(header_bytes) + bytes(32)
    wire.write((32).to_bytes(header_bytes) + b"\x28" + b"\x08\x01" * 15 + b"\x08")
    assert wire.read_exactly(1) == b"\xaa"
    wire.write(filler + sync_packet(header_bytes))
    assert sync_is_answered(wire.read_exactly(header_bytes + 32), header_bytes)


def test_data_in_front_of_its_shape_is_refused(built: Any, started: Any) -> None:
    """It cannot be checked while it comes, and is not kept: a run would use the input of an earlier one."""
    classes = message_classes("v2")
    wire = started(built(dialect="v2.1"))
    run = classes["reqMsg"](reqid=1, cmd=11, param=0, name=b"digits", opt=0).SerializeToString()
    say(wire, run)
    assert classes["respMsg"].FromString(answer(wire)).ack.param == 64
    shape = classes["aiBufferShapeMsg"](format=0x00840440, n_batches=1, height=8, width=8, channels=1)
    shape.scale = shape.zeropoint = 0
    data = classes["aiBufferByteMsg"](datas=bytes(64)).SerializeToString()
    say(wire, data + classes["aiBufferByteMsg"](shape=shape).SerializeToString())
    refused = classes["respMsg"].FromString(answer(wire))
    assert (refused.state, refused.ack.error) == (4, 2)
    wire.write(sync_packet(1))
    assert sync_is_answered(wire.read_exactly(33), 1)


def say(wire: Any, message: bytes) -> None:
    """Sends a short message in packets with 1-byte headers."""
    stream = bytes([len(message)]) + message
    for at in range(0, len(stream), 32):
        if at:
            assert wire.read_exactly(1) == b"\xaa"
        wire.write((bytes([len(stream[at : at + 32])]) + stream[at : at + 32]).ljust(33, b"\0"))


def answer(wire: Any) -> bytes:
    """The message of a single packet."""
    packet = wire.read_exactly(33)
    assert packet[0] & 0x80
    return bytes(packet[1 : 1 + (packet[0] & 0x7F)])
