"""Faults at given bytes: what still arrives, and that a run with a seed is the same again."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import LinkLostError
from ai_runner.transport.fault_injector import Fault, FaultInjector, FaultKind, random_fault
from ai_runner.transport.memory import MemoryTransport, memory_pair

DATA = bytes(range(100))
EXPECTED = {
    FaultKind.DROP: DATA[:40] + DATA[43:],
    FaultKind.FLIP: DATA[:40] + bytes([DATA[40] ^ 0x10]) + DATA[41:],
    FaultKind.DUPLICATE: DATA[:43] + DATA[40:],
    FaultKind.DELAY: DATA,
}


def line(fault: Fault) -> tuple[FaultInjector, MemoryTransport]:
    host, device = memory_pair()
    return FaultInjector(host, fault), device


def everything(end: Any) -> bytes:
    heard = b""
    while data := end.read(7, end.deadline(5)):
        heard += data
    return heard


def said(fault: Fault, pieces: list[int]) -> bytes:
    """What arrives of DATA when it is said in pieces of these sizes, and the rest at once."""
    injector, device = line(fault)
    sender, receiver = (injector, device) if fault.outgoing else (device, injector)
    start, heard = 0, b""
    for size in [*pieces, len(DATA)]:
        sender.write(DATA[start : start + size], sender.deadline(1))
        start += size
        if not fault.outgoing:
            heard += everything(receiver)
    injector.read(1, injector.deadline(5))  # what is late to be written goes out while somebody waits
    assert injector.fired == [fault]
    return heard + everything(receiver)


@given(kind=st.sampled_from(sorted(EXPECTED)), outgoing=st.booleans(), pieces=st.lists(st.integers(0, 60), max_size=4))
def test_what_arrives_does_not_depend_on_pieces(kind: FaultKind, outgoing: bool, pieces: list[int]) -> None:
    assert said(Fault(kind, outgoing, 40, 3, 0x10, 2.0), pieces) == EXPECTED[kind]


def test_a_write_is_cut_off_and_the_next_one_arrives() -> None:
    injector, device = line(Fault(FaultKind.TRUNCATE, True, 4))
    for _ in range(2):
        injector.write(b"abcdefg", injector.deadline(1))
    assert everything(device) == b"abcdabcdefg"


def test_an_answer_is_cut_off_until_the_next_write() -> None:
    injector, device = line(Fault(FaultKind.TRUNCATE, False, 4))
    for _ in range(2):
        device.write(b"abcdefg", device.deadline(1))
        assert everything(injector) in (b"abcd", b"")
    injector.write(b"?", injector.deadline(1))
    device.write(b"abcdefg", device.deadline(1))
    assert everything(injector) == b"abcdefg"


@pytest.mark.parametrize("outgoing", [True, False])
def test_a_pulled_cable_is_noticed_by_both_ways(outgoing: bool) -> None:
    injector, device = line(Fault(FaultKind.DISCONNECT, outgoing, 2))
    if outgoing:
        with pytest.raises(LinkLostError):
            injector.write(b"abc", injector.deadline(1))
        assert everything(device) == b"ab"
    else:
        device.write(b"abc", device.deadline(1))
        assert injector.read(10, injector.deadline(1)) == b"ab"
    for _ in range(2):
        with pytest.raises(LinkLostError):
            injector.read(1, injector.deadline(1))
        with pytest.raises(LinkLostError):
            injector.write(b"x", injector.deadline(1))


def test_what_is_late_is_not_there_before_its_time() -> None:
    injector, device = line(Fault(FaultKind.DELAY, False, 1, seconds=2.0))
    device.write(b"abc", device.deadline(1))
    assert injector.read(10, injector.deadline(1)) == b"a"
    start = injector.deadline(100)
    assert injector.read(10, injector.deadline(1)) == b""
    assert injector.read(10, injector.deadline(5)) == b"bc"
    assert 97.9 < (start.remaining() or 0) < 98.1


def test_offsets_count_from_the_injection_and_a_fault_happens_once() -> None:
    injector, device = line(Fault(FaultKind.FLIP, True, 500))
    injector.write(DATA, injector.deadline(1))
    injector.clear()
    injector.inject(Fault(FaultKind.FLIP, True, 3, mask=0x80))
    for _ in range(2):
        injector.write(b"aaaaa", injector.deadline(1))
    assert everything(device) == DATA + b"aaa\xe1aaaaaa"
    assert len(injector.fired) == 1
    assert injector.written == 110


def test_a_seed_gives_the_same_fault_again_and_every_kind_comes() -> None:
    faults = [random_fault(random.Random(seed), 100, 50) for seed in range(200)]
    assert faults == [random_fault(random.Random(seed), 100, 50) for seed in range(200)]
    assert {fault.kind for fault in faults} == set(FaultKind)
    assert {fault.outgoing for fault in faults} == {True, False}
    assert all(0 <= fault.offset < (100 if fault.outgoing else 50) for fault in faults)


def test_it_is_the_line_otherwise() -> None:
    host, _ = memory_pair(rate=9600)
    injector = FaultInjector(host)
    injector.baudrate = 115200
    assert (host.baudrate, injector.baudrate, injector.describe()) == (115200, 115200, host.describe())
    injector.close()
    with pytest.raises(LinkLostError):
        host.write(b"x", host.deadline(1))
