from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ai_runner.cli import main
from ai_runner.errors import ExitCode, TargetCrashError
from ai_runner.firmware import start_firmware

IGNORE_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture(scope="module")
def folder(digits_int8: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firmware") / "out"
    assert main(["firmware", "build", "--model", f"digits={digits_int8}", "--out", str(out)]) == ExitCode.PASS
    return out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])  # the last when a terminal is closed
@pytest.mark.parametrize("options", [[], ["--tcp", "0"]])
def test_runs_until_a_signal_comes(number: int, options: list[str], folder: Path) -> None:
    """As a background job of a shell, where SIGINT is ignored to begin with."""
    command = [sys.executable, "-m", "ai_runner.cli", "firmware", "run", str(folder), *options]
    with subprocess.Popen([sys.executable, "-c", IGNORE_SIGINT, *command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        descriptor = process.stdout.readline().decode().strip()
        assert descriptor.startswith("socket://127.0.0.1:" if options else "serial:/dev/")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        started = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        process.send_signal(number)
        assert process.wait(20) == ExitCode.PASS
        assert process.stdout.read() == b""
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_firmware_that_dies_ends_it(folder: Path) -> None:
    with start_firmware(folder) as firmware:
        firmware.check()
        firmware.process.kill()
        firmware.process.wait()
        with pytest.raises(TargetCrashError, match="the firmware died of SIGKILL"):
            firmware.check()


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_that_is_none(port: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["firmware", "run", str(folder), f"--tcp={port}"]) == ExitCode.USAGE
    assert f"{port} is no TCP port" in capsys.readouterr().err


def test_a_folder_without_a_firmware(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["firmware", "run", str(tmp_path)]) == ExitCode.USAGE
    assert "holds no firmware" in capsys.readouterr().err


def test_missing_tools_are_named(
    digits_int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["--model", str(digits_int8), "--port", "stm32f405", "--out", str(tmp_path / "out")]
    assert main(["firmware", "build", *arguments]) == ExitCode.BENCH
    assert "gcc-arm-none-eabi libnewlib-arm-none-eabi" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-v", "--verbose", "--debug"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_more_is_said_wherever_it_is_asked_for(
    option: str, place: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["firmware", "run", str(tmp_path)]
    assert main([*arguments[:place], option, *arguments[place:]]) == ExitCode.USAGE
    assert "looked_for: firmware.json" in capsys.readouterr().err
