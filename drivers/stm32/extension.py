"""Commands beyond inference: memory, images in Intel HEX, self-tests. Names and answers are those of ST's client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.protocol import (
    Acknowledged,
    ChecksumMemory,
    Command,
    Event,
    LogMessage,
    MemoryData,
    ReadMemory,
    Refused,
    WriteMemory,
)
from ai_runner.drivers.stm32.self_test import run_self_tests, run_unit_test
from ai_runner.errors import InvalidParamError
from ai_runner.memory_image import bsdchecksum, dump_ihex_file
from ai_runner.model import Caps

_log = logging.getLogger(__name__)

_U32 = 1 << 32
_NEEDS = {
    "write-in-memory": Caps.MEMORY_RW,
    "read-in-memory": Caps.MEMORY_RW,
    "checksum-in-memory": Caps.MEMORY_RW,
    "write": Caps.MEMORY_RW,
    "self-test": Caps.SELF_TEST,
    "unit-test": Caps.SELF_TEST,
}


def is_repeatable(command: Mapping[str, Any]) -> bool:
    """Whether a command may be carried out twice with the same effect: those of memory, not the tests."""
    return _NEEDS.get(str(command.get("cmd", ""))) is Caps.MEMORY_RW


def extend(link: Link, capabilities: tuple[Caps, ...], command: Mapping[str, Any]) -> Any:
    """Carries out one command of a script.

    Args:
        link: at rest.
        capabilities: of the firmware.
        command: `cmd` and its arguments: ``write-in-memory`` (`target_addr`, `data`), ``read-in-memory`` and
            ``checksum-in-memory`` (`target_addr`, `size`), ``write`` (`ihex`: files, `fill_zeros`), ``self-test``,
            ``unit-test`` (`test_id`, `params`).

    Returns:
        Of memory commands ``{'error', 'crc', 'data'}``: number of the board's error or 0, BSD checksum, bytes read; of
        tests what `self_test` says; False for a command that there is not.

    Raises:
        InvalidParamError: the firmware lacks the capability, or an argument is missing or impossible.
        HwIOError, InvalidMsgError: the board fell silent or talks nonsense.
    """
    cmd = str(command.get("cmd", ""))
    if cmd not in _NEEDS:
        return False
    if _NEEDS[cmd] not in capabilities:
        raise InvalidParamError(
            f"{link.transport.describe()}: this firmware has no {cmd}",
            hint=f"its capabilities lack {_NEEDS[cmd].name}; the options of the aiValidation project add it",
        )
    match cmd:
        case "write-in-memory":
            return _write(link, _address(command), _data(command))
        case "read-in-memory":
            return _read(link, _address(command), _number(command, "size"))
        case "checksum-in-memory":
            return _checksum(link, _address(command), _number(command, "size"))
        case "write":
            return _write_images(link, command)
        case "self-test":
            return run_self_tests(link)
    return run_unit_test(link, _number(command, "test_id"), command.get("params"))


def _write(link: Link, address: int, data: bytes) -> dict[str, Any]:
    return _answer(_ask(link, WriteMemory(address, data))[-1], bsdchecksum(data))


def _read(link: Link, address: int, size: int) -> dict[str, Any]:
    events = _ask(link, ReadMemory(address, size))
    data = b"".join(event.data for event in events if isinstance(event, MemoryData))
    return _answer(events[-1], bsdchecksum(data), data)


def _checksum(link: Link, address: int, size: int) -> dict[str, Any]:
    last = _ask(link, ChecksumMemory(address, size))[-1]
    return _answer(last, last.param if isinstance(last, Acknowledged) else 0)


def _write_images(link: Link, command: Mapping[str, Any]) -> dict[str, Any]:
    """Writes every segment of Intel HEX files and compares the board's checksum of it; stops at the first error."""
    files = command.get("ihex") or ()
    paths = files if isinstance(files, list | tuple) else (files,)
    if not paths:
        raise InvalidParamError("extension(cmd='write') needs ihex=[files]")
    written: dict[str, Any] = {"error": 0, "crc": 0, "data": b""}
    for path in paths:
        for segment in dump_ihex_file(path, bool(command.get("fill_zeros", False))):
            address, data = int(segment["addr"]), segment["data"].tobytes()
            written = _write(link, address, data)
            _log.info("%s: %d bytes at %#x", path, len(data), address)
            if written["error"]:
                return written
            there = _checksum(link, address, len(data))
            if there["error"] or there["crc"] != written["crc"]:
                return {"error": there["error"] or 1, "crc": there["crc"], "data": b""}
    return written


def _ask(link: Link, command: Command) -> list[Event]:
    return [event for event in link.ask(command) if not isinstance(event, LogMessage)]


def _answer(last: Event, crc: int, data: bytes = b"") -> dict[str, Any]:
    if isinstance(last, Refused) and last.error:
        return {"error": last.error, "crc": 0, "data": b""}
    return {"error": 0, "crc": crc, "data": data}


def _address(command: Mapping[str, Any]) -> int:
    return _number(command, "target_addr")


def _number(command: Mapping[str, Any], key: str) -> int:
    value = command.get(key)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < _U32:
        raise InvalidParamError(f"extension(cmd={command['cmd']!r}): {key}={value!r} is not a number of 32 bits")
    return int(value)


def _data(command: Mapping[str, Any]) -> bytes:
    data = command.get("data")
    if isinstance(data, np.ndarray):
        return data.tobytes()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidParamError(f"extension(cmd={command['cmd']!r}): data is a {type(data).__name__}, not bytes")
    return bytes(data)
