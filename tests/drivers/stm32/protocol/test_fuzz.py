"""Whatever a device sends: an event or a ProtocolError, nothing else, and no end is waited for in vain."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.drivers.stm32.protocol import (
    DIALECTS,
    NEED_DATA,
    Command,
    Connection,
    Dialect,
    Event,
    GetModel,
    GetSystemInfo,
    ProtocolError,
    SelfTest,
    State,
    Sync,
)

CASES = 400


@pytest.fixture(scope="module")
def fuzzer(repository: Path) -> Any:
    """The long version of this test, as a module."""
    spec = importlib.util.spec_from_file_location("fuzzer", repository / "benchmarks" / "stm32_protocol_fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_random_and_mutated_bytes(fuzzer: Any, dialect: Dialect) -> None:
    counts = fuzzer.fuzz(dialect, CASES, seed=7)
    assert sum(counts.values()) == CASES
    # Both ways out are taken, or the cases were none.
    assert counts["events only"] > CASES / 20
    assert counts["protocol error"] > CASES / 4


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_what_is_mutated_is_sound_to_begin_with(fuzzer: Any, dialect: Dialect) -> None:
    for command, messages in fuzzer.conversations(dialect):
        connection = fuzzer.prepared(dialect, command)
        for message in messages:
            connection.receive_data(fuzzer.pack(message, dialect.header_bytes))
            event: Any = None
            while event is not NEED_DATA:
                event = connection.next_event()
                connection.data_to_send()
                if type(event).__name__ == "InputWanted":
                    connection.send(fuzzer.SendTensor(fuzzer.INPUT_DATA, fuzzer.INPUT))
        assert connection.state is State.READY
        assert not connection.busy


@given(data=st.binary(max_size=150), command=st.sampled_from([GetModel(0), GetSystemInfo(), SelfTest(40)]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_message_in_sound_packets(device: Any, command: Command, data: bytes) -> None:
    connection = device.connection()
    connection.send(command)
    connection.receive_data(device.pack(data))
    try:
        event = connection.next_event()
    except ProtocolError:
        assert connection.state is State.FAILED
    else:
        assert event is NEED_DATA or isinstance(event, Event)


@given(flips=st.lists(st.integers(0, 1 << 20), min_size=1, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_captures_with_bits_flipped(named_capture: Callable[[str], Any], flips: list[int]) -> None:
    capture = named_capture("v31-2b_per_layer_with_data")
    data = bytearray(capture.bytes_of("d2h"))
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    connection = Connection(2)
    connection.send(Sync())
    connection.receive_data(bytes(data))
    turns = 0
    try:
        while connection.next_event() is not NEED_DATA:
            turns += 1
    except ProtocolError:
        assert connection.state is State.FAILED
    assert turns <= len(data)


def test_pure_python_protobuf_keeps_the_rule_too(repository: Path) -> None:
    script = repository / "benchmarks" / "stm32_protocol_fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), "60"],
        env={"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python", "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("60 cases") == len(DIALECTS)
