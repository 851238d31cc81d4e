"""The line in memory: two ends, one clock that passes by waiting."""

from __future__ import annotations

import pytest

from ai_runner.errors import LinkLostError
from ai_runner.transport.memory import memory_pair


def test_bytes_go_both_ways() -> None:
    host, device = memory_pair()
    host.write(b"abc", host.deadline(0))
    assert device.read(2, device.deadline(0)) == b"ab"
    device.write(b"d", device.deadline(0))
    assert host.read(10, host.deadline(0)) == b"d"
    assert device.read(10, device.deadline(0)) == b"c"


def test_waiting_takes_exactly_the_time_of_the_deadline() -> None:
    host, device = memory_pair()
    soon, later = host.deadline(0.1), device.deadline(0.2)
    assert host.read(10, soon) == b""
    assert soon.expired
    assert later.remaining() == pytest.approx(0.1, abs=1e-5)
    assert host.read(10, soon) == b""
    assert later.remaining() == pytest.approx(0.1, abs=1e-5)


def test_the_device_answers_while_the_host_writes() -> None:
    host, device = memory_pair()
    device.on_data = lambda: device.write(device.read(10, device.deadline(0)).upper(), device.deadline(0))
    host.write(b"abc", host.deadline(0))
    assert host.read(10, host.deadline(0)) == b"ABC"


def test_a_closed_end_is_lost_for_the_other_after_its_last_bytes() -> None:
    host, device = memory_pair()
    device.write(b"last", device.deadline(0))
    device.close()
    device.close()
    assert host.read(10, host.deadline(None)) == b"last"
    with pytest.raises(LinkLostError):
        host.read(10, host.deadline(None))
    with pytest.raises(LinkLostError):
        host.write(b"x", host.deadline(None))


def test_an_endless_wait_that_nothing_can_end_is_an_error() -> None:
    host, _device = memory_pair()
    with pytest.raises(LinkLostError, match="nobody else runs"):
        host.read(1, host.deadline(None))


def test_the_rate_is_that_of_the_host() -> None:
    host, device = memory_pair(9600)
    host.baudrate = 115200
    device.baudrate = 4
    assert (host.baudrate, device.baudrate) == (115200, None)


def test_what_comes_late_is_waited_for() -> None:
    host, device = memory_pair(latency=0.1)
    device.write(b"ab", device.deadline(0))
    assert host.read(10, host.deadline(0.06)) == b""
    device.write(b"c", device.deadline(0))
    until = host.deadline(0.05)
    assert host.read(1, until) == b"a"
    assert not until.expired
    assert host.read(10, until) == b"b"
    assert host.read(10, until) == b""
    assert until.expired
    assert host.read(10, host.deadline(None)) == b"c"
