"""Files that are no engine for this machine are told before they are started."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import Driver
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidParamError
from ai_runner.registry import create_driver
from ai_runner.shared_library.host import host_architecture

HERE = host_architecture()[1]


def refused(path: Path, error: type[AiRunnerError], words: str) -> AiRunnerError:
    driver: Driver = create_driver(Descriptor("eim", str(path)))
    with pytest.raises(error, match=words) as caught:
        driver.open(Deadline(20))
    driver.close()
    return caught.value


def elf(machine: int, wide: bool = True, order: str = "<") -> bytes:
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    return ident + struct.pack(order + "HHI", 3, machine, 1) + bytes(100)


def executable(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("machine", "wide", "name"),
    [(183, True, "aarch64"), (62, True, "x86-64"), (243, True, "riscv64"), (8, False, "mips"), (9999, True, "9999")],
)
def test_another_architecture_is_named_beside_this_one(tmp_path: Path, machine: int, wide: bool, name: str) -> None:
    if name == HERE:
        pytest.skip("is this machine's own")
    error = refused(executable(tmp_path / "m.eim", elf(machine, wide)), InvalidModelError, f"built for .*{name}")
    assert f"this is {HERE}" in error.message
    assert error.EXIT_CODE == 4


def test_other_systems(tmp_path: Path) -> None:
    refused(executable(tmp_path / "m.eim", b"\xcf\xfa\xed\xfe" + bytes(99)), InvalidModelError, "built for macOS")
    refused(executable(tmp_path / "w.eim", b"MZ" + bytes(99)), InvalidModelError, "built for Windows")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x7fELF", b"\x7fELF" + bytes(40), b"TFL3"])
def test_what_is_no_executable(tmp_path: Path, content: bytes) -> None:
    refused(executable(tmp_path / "m.eim", content), InvalidModelError, "neither an executable|broken executable")


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.eim", InvalidParamError, "No such file")
    refused(tmp_path, InvalidParamError, "is a folder")
    refused(Path("/dev/null"), InvalidParamError, "no regular file")
    with pytest.raises(InvalidParamError, match="no file is named"):
        create_driver(Descriptor("eim", "")).open(Deadline(1))


def test_without_permission(scripted_engine: Callable[..., Path]) -> None:
    path = scripted_engine({})
    path.chmod(0o644)
    error = refused(path, InvalidModelError, "not executable")
    assert error.hint == f"chmod +x {path}"


def test_a_script_without_its_interpreter(tmp_path: Path) -> None:
    path = executable(tmp_path / "m.eim", b"#!/no/such/python -IS\nprint()\n")
    refused(path, InvalidModelError, "interpreter that it needs is not there: /no/such/python -IS")


def test_an_executable_that_the_system_refuses(tmp_path: Path) -> None:
    machine = {"x86-64": 62, "aarch64": 183}.get(HERE)
    if machine is None:
        pytest.skip(f"no header for {HERE}")
    refused(executable(tmp_path / "m.eim", elf(machine)), InvalidModelError, "cannot execute it")
