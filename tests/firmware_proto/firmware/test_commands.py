"""The command set, command by command."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from ai_runner.drivers.stm32.protocol import (
    Acknowledged,
    ChecksumMemory,
    GetModel,
    GetSystemInfo,
    InputsTaken,
    LogMessage,
    MemoryData,
    NodeReport,
    ReadMemory,
    Refused,
    Request,
    Run,
    RunReport,
    SelfTest,
    Sync,
    Tensor,
    WriteMemory,
)

ARENA = 0x20000000  # of the host port, as it tells
INVALID_SIZE, INVALID_FORMAT, INVALID_PARAM, INVALID_SHAPE = 1, 2, 4, 5


def bsd_checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = ((total >> 1 | total << 15) + byte) & 0xFFFF
    return total


def test_models_are_listed_and_described(client: Any, dialect: str) -> None:
    peer = client(dialect=dialect)
    (digits,), (real,), (end,) = (peer.ask(GetModel(index)) for index in range(3))
    assert [digits.name, real.name] == ["digits", "real"]
    assert end == Refused(INVALID_PARAM, INVALID_PARAM)
    assert digits.n_nodes == 7
    assert digits.macc == 21002
    assert digits.inputs[0].shape == (1, 8, 8, 1)
    assert digits.inputs[0].zero_point == -128
    assert digits.outputs[0].size == 10
    assert digits.activations[0].size > 64
    assert digits.params[0].size > 3000
    assert "host time" in (digits.runtime_desc or digits.runtime_revision)
    assert peer.ask(GetModel(name="real")) == [real]
    assert peer.ask(GetModel(name="nosuch")) == [end]


def test_an_emulated_board_says_so(client: Any) -> None:
    peer = client(port="stm32f405")
    (system,) = peer.ask(GetSystemInfo())
    assert (system.devid, system.sclock) == (0x413, 168000000)
    assert "simulated time" in peer.model("digits").runtime_desc


def test_emulated_time_counts_instructions(client: Any, image: np.ndarray) -> None:
    peer = client(port="stm32f405")
    model = peer.model("digits")
    first, second = (
        [event.duration for event in peer.run(model, image, per_layer=True) if isinstance(event, NodeReport)]
        for _ in range(2)
    )
    np.testing.assert_allclose(first, second, atol=0.0001)  # a few ticks of 6 ns
    assert all(0 < duration < 1 for duration in first)


@pytest.mark.parametrize("command", [Request(200), Request(30), Request(12), Run("nosuch"), Run("")])
def test_what_is_not_there_is_refused(client: Any, command: Any, dialect: str) -> None:
    peer = client(dialect=dialect)
    assert peer.ask(command) == [Refused(INVALID_PARAM, INVALID_PARAM)]
    assert peer.ask(GetModel(0))[0].name == "digits"


# ---- runs ----


def test_a_run_without_nodes(client: Any, image: np.ndarray) -> None:
    peer = client()
    taken, report, output = peer.run(peer.model("digits"), image)
    assert taken == InputsTaken()
    assert isinstance(report, RunReport)
    assert report.name == "digits"
    assert report.duration > 0
    assert len(output.data) == 10


def test_nodes_without_data(client: Any, image: np.ndarray, dialect: str) -> None:
    peer = client(dialect=dialect)
    events = peer.run(peer.model("digits"), image, per_layer=True)
    assert sum(isinstance(event, NodeReport) for event in events) == 7
    tensors = [event for event in events if isinstance(event, Tensor)]
    assert [tensor.data is None for tensor in tensors] == [True] * 7 + [False]


def test_one_value_for_a_whole_input(client: Any) -> None:
    peer = client()
    model = peer.model("digits")
    full = peer.run(model, np.full((1, 8, 8, 1), 77, np.int8))[-1]
    assert peer.ask(Run("digits", const_value=True), ((b"\x4d", model.inputs[0]),))[-1] == full
    real = peer.model("real")
    full = peer.run(real, np.full((1, 8, 8, 1), 0.25, np.float32))[-1]
    assert peer.ask(Run("real", const_value=True), ((np.float32(0.25).tobytes(), real.inputs[0]),))[-1] == full


def test_outputs_without_data(client: Any) -> None:
    peer = client()
    model = peer.model("digits")
    output = peer.ask(Run("digits", const_value=True, perf_only=True), ((b"\x01", model.inputs[0]),))[-1]
    assert output.data is None
    assert output.desc.name == model.outputs[0].name


def test_an_input_that_is_already_in_place(client: Any, image: np.ndarray) -> None:
    peer = client()
    model = peer.model("digits")
    expected = peer.run(model, image)[-1].data
    peer.ask(WriteMemory(model.inputs[0].address, image.tobytes()))
    events = peer.ask(Run("digits", direct_write=True, direct_read=True), ((b"\0", model.inputs[0]),))
    assert events[-1].data is None
    read = peer.ask(ReadMemory(model.outputs[0].address, 10))
    assert b"".join(event.data for event in read) == expected


def test_debug_messages(client: Any, image: np.ndarray) -> None:
    peer = client()
    events = peer.run(peer.model("digits"), image, debug=True)
    assert sum(isinstance(event, LogMessage) for event in events) == 3
    assert isinstance(events[-1], Tensor)


@pytest.mark.parametrize("size", [0, 1, 63, 65, 4000])
def test_an_input_of_another_size(client: Any, image: np.ndarray, size: int) -> None:
    peer = client()
    model = peer.model("digits")
    assert peer.ask(Run("digits"), ((bytes(size), model.inputs[0]),)) == [Refused(INVALID_SIZE, size)]
    assert len(peer.run(model, image)[-1].data) == 10


def test_an_input_of_another_kind(client: Any, image: np.ndarray) -> None:
    peer = client(dialect="v2.1")
    digits, real = peer.model("digits"), peer.model("real")
    data = image.tobytes()
    assert peer.ask(Run("digits"), ((data, real.inputs[0]),)) == [Refused(INVALID_FORMAT, INVALID_FORMAT)]
    assert peer.ask(Run("digits"), ((data, digits.outputs[0]),)) == [Refused(INVALID_SHAPE, INVALID_SHAPE)]
    assert peer.ask(Run("digits"), ((data[1:], digits.inputs[0]),)) == [Refused(INVALID_SIZE, INVALID_SIZE)]
    assert len(peer.run(digits, image)[-1].data) == 10


# ---- memory ----


@pytest.mark.parametrize("size", [0, 1, 32, 1024, 1025, 2500])
def test_memory_is_written_checked_and_read(client: Any, size: int) -> None:
    peer = client()
    arena = max((peer.model(name).activations[0] for name in ("digits", "real")), key=lambda pool: pool.size)
    assert arena.address == ARENA
    data = np.random.default_rng(size).bytes(size)
    address = ARENA + arena.size - size
    peer.ask(WriteMemory(address, data))
    assert peer.ask(ChecksumMemory(address, size)) == [Acknowledged(3, bsd_checksum(data))]
    pieces = [event for event in peer.ask(ReadMemory(address, size)) if isinstance(event, MemoryData)]
    assert b"".join(piece.data for piece in pieces) == data
    assert all(len(piece.data) <= 1024 for piece in pieces)


@pytest.mark.parametrize("address", [0, ARENA - 1, ARENA + (1 << 20), 0xFFFFFFFF])
def test_memory_of_others_is_refused(client: Any, address: int) -> None:
    peer = client()
    for command in (ReadMemory(address, 2), WriteMemory(address, b"xy"), ChecksumMemory(address, 2)):
        assert peer.ask(command) == [Refused(INVALID_PARAM, INVALID_PARAM)]
    assert peer.ask(ReadMemory(ARENA, 0xFFFFFFFF)) == [Refused(INVALID_PARAM, INVALID_PARAM)]


def test_a_board_lets_its_program_be_read_and_not_written(client: Any) -> None:
    peer = client(port="stm32f405")
    weights = peer.model("digits").params[0].address
    assert weights >> 24 == 0x08
    assert len(peer.ask(ReadMemory(weights, 16))[0].data) == 16
    assert peer.ask(WriteMemory(weights, bytes(16))) == [Refused(INVALID_PARAM, INVALID_PARAM)]
    for nowhere in (0, 0x08100000, 0x2001FFF0, 0xE000ED00):
        assert peer.ask(ReadMemory(nowhere, 16)) == [Refused(INVALID_PARAM, INVALID_PARAM)]


# ---- packets and self-tests ----


@pytest.mark.parametrize("payload", [33, 126, 4094])
def test_large_packets(client: Any, payload: int, image: np.ndarray) -> None:
    peer = client(large_packet=payload)
    assert peer.connection.packet_size == payload
    assert len(peer.run(peer.model("digits"), image)[-1].data) == 10
    peer.ask(Sync())
    assert peer.connection.packet_size == 32
    assert peer.ask(GetModel(0))[0].name == "digits"


@pytest.mark.parametrize("size", [0, 1, 64, 5000, 65535])
def test_data_there_and_back(client: Any, size: int) -> None:
    peer = client()
    events = peer.ask(SelfTest(40, size, opt=0xA5))
    assert b"".join(event.data for event in events if isinstance(event, MemoryData)) == b"\xa5" * size
    assert events[-1] == Acknowledged(3, zlib.crc32(b"\xa5" * size))
