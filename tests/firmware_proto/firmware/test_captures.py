"""Against ST's own stack: the same bytes where an answer does not depend on the model, else the same fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.stm32.protocol import GetModel
from ai_runner.firmware.image import DIALECTS
from ai_runner.firmware_proto.messages import message_classes

SYNC = b"\xaa"
CAPTURE_OF = {"v3.1-2b": "v31-2b", "v3.1-1b": "v31-1b", "v2.1": "v21"}


class Answers:
    """A stream from a device as sync bytes and whole messages, of small packets."""

    def __init__(self, header_bytes: int) -> None:
        self.header_bytes = header_bytes
        self.rest = self.message = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        self.rest += data
        while self.rest:
            size = 1 if self.rest[:1] == SYNC else self.header_bytes + 32
            if len(self.rest) < size:
                return
            packet, self.rest = self.rest[:size], self.rest[size:]
            if packet == SYNC:
                yield SYNC
                continue
            header = int.from_bytes(packet[: self.header_bytes])
            last = 1 << (8 * self.header_bytes - 1)
            self.message += packet[self.header_bytes :][: header & ~last]
            if header & last:
                yield self.message
                self.message = b""


def lines(path: Path) -> list[tuple[str, bytes]]:
    """Direction and bytes of a capture."""
    records = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return [(record["dir"], bytes.fromhex(record["hex"])) for record in records]


def messages(path: Path, header_bytes: int) -> list[bytes]:
    """Everything that the device says in a capture, without sync bytes."""
    answers = Answers(header_bytes)
    return [m for way, data in lines(path) if way == "d2h" for m in answers.feed(data) if m != SYNC]


def without_addresses(message: bytes, family: str) -> Any:
    decoded = message_classes(family)["respMsg"].FromString(message)
    for data in (getattr(decoded, "data", None), getattr(getattr(decoded, "tensor", None), "data", None)):
        if data is not None and data.addr:
            data.addr = 0
    return decoded


@pytest.mark.parametrize(
    ("scenario", "dialect"),
    [
        ("unknown_cmd", "v3.1-2b"),
        ("unknown_cmd", "v3.1-1b"),
        ("unknown_cmd", "v2.1"),
        ("unknown_model", "v3.1-2b"),
        ("self_test", "v3.1-2b"),
        ("self_test", "v2.1"),
        ("memory", "v3.1-2b"),
    ],
)
def test_the_same_answers_to_the_same_bytes(
    scenario: str, dialect: str, shared: Path, built: Any, started: Any
) -> None:
    family, header_bytes = DIALECTS[dialect].family, DIALECTS[dialect].header_bytes
    wire = started(built(dialect=dialect))
    theirs, ours = Answers(header_bytes), Answers(header_bytes)
    heard: list[bytes] = []
    compared = 0
    for way, data in lines(shared / "captures" / "stm32" / f"{CAPTURE_OF[dialect]}_{scenario}.jsonl"):
        if way == "h2d":
            wire.write(data)
            continue
        for expected in theirs.feed(data):
            while not heard:
                more = wire.read()
                assert more
                heard += ours.feed(more)
            answer = heard.pop(0)
            if expected == SYNC:
                assert answer == SYNC
                continue
            wanted, got = without_addresses(expected, family), without_addresses(answer, family)
            kind = wanted.WhichOneof("payload")
            if kind == "ack" and wanted.reqid == 4 and got.WhichOneof("payload") != "ack":
                continue  # the second model of ours, which is the end of the list of theirs
            assert got.WhichOneof("payload") == kind
            if kind not in ("sync", "sinfo", "minfo", "ninfo"):
                assert got == wanted
                compared += 1
    assert compared >= 1
    assert not heard


def skeleton(message: bytes, kind: Any) -> tuple[Any, ...]:
    """Numbers of the fields in the order in which they were written, inner messages likewise; repeated ones once."""
    from google.protobuf.internal.decoder import _DecodeVarint  # type: ignore[attr-defined]

    found: list[Any] = []
    at = 0
    while at < len(message):
        tag, at = _DecodeVarint(message, at)
        field = kind.fields_by_number[tag >> 3]
        if tag & 7 == 0:
            _, at = _DecodeVarint(message, at)
        elif tag & 7 == 5:
            at += 4
        else:
            size, at = _DecodeVarint(message, at)
            inner = message[at : at + size]
            at += size
        entry = (field.name, skeleton(inner, field.message_type) if field.message_type is not None else ())
        if entry not in found:
            found.append(entry)
    return tuple(found)


def fields(message: bytes, family: str) -> tuple[str, tuple[Any, ...]]:
    response = message_classes(family)["respMsg"]
    kind = response.FromString(message).WhichOneof("payload")
    # A process has no counter, an STM32F405 no `extra`.
    optional = {"counters", "extra", "com_param_or_extra"} if family == "v3" else set()

    def pruned(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple((name, pruned(inner)) for name, inner in entries if name not in optional)

    return kind, pruned(skeleton(message, response.DESCRIPTOR))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_the_same_fields_in_the_same_order(
    dialect: str, shared: Path, client: Any, monkeypatch: pytest.MonkeyPatch, image: np.ndarray
) -> None:
    family, header_bytes = DIALECTS[dialect].family, DIALECTS[dialect].header_bytes
    known = {
        fields(message, family)
        for path in (shared / "captures" / "stm32").glob(f"{CAPTURE_OF[dialect]}_*.jsonl")
        if "large" not in path.name
        for message in messages(path, header_bytes)
    }
    peer = client(dialect=dialect)
    recorded: list[bytes] = []
    read = peer.wire.read
    monkeypatch.setattr(peer.wire, "read", lambda: recorded.append(read()) or recorded[-1])
    peer.ask(GetModel(0))
    peer.ask(GetModel(9))
    model = peer.model("digits")
    for mode in ({}, {"per_layer": True}, {"per_layer": True, "with_data": True}):
        peer.run(model, image, **mode)
    said = [fields(message, family) for message in Answers(header_bytes).feed(b"".join(recorded)) if message != SYNC]
    assert len(said) > 25
    assert {kind for kind, _ in said} >= ({"minfo", "op", "tensor"} if family == "v3" else {"ninfo", "node", "report"})
    assert set(said) <= known
