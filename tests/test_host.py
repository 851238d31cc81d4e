"""What this machine is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner import host
from ai_runner.host import host_device, processor_name


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (
            "processor\t: 0\nvendor_id\t: X\nmodel\t\t: 17\nmodel name\t: ACME  One 2.0\n\nprocessor\t: 1\n",
            "ACME One 2.0",
        ),
        ("model name\t: ACME A\n\nmodel name\t: ACME B\n", "ACME A"),
        ("CPU implementer\t: 0x41\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n", "CPU 0x41 0xd08 0x0 3"),
        ("cpu model\t\t: MIPS 24Kc V5.5\n", "MIPS 24Kc V5.5"),
        ("nothing of the kind", ""),
        ("", ""),
    ],
)
def test_the_processor_of_linux(cpuinfo: str, name: str) -> None:
    assert processor_name(cpuinfo) == name


@given(st.text())
def test_any_text_gives_a_name_of_one_line(cpuinfo: str) -> None:
    assert len(processor_name(cpuinfo).splitlines()) <= 1


def test_a_machine_that_tells_nothing_has_its_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    device = host_device.__wrapped__()
    assert device.dev_id == "riscv64 riscv64"
    assert device.desc == "riscv64, riscv64, Linux"


def test_this_machine() -> None:
    device = host_device()
    assert (device.dev_type, device.desc.split(", ")[0]) == ("HOST", device.machine)
