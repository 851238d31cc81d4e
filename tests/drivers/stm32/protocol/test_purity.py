"""The protocol has no wire, no clock and no thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORBIDDEN = ("serial", "socket", "select", "selectors", "subprocess", "asyncio", "threading", "time", "numpy", "google")

# The parents' own __init__ files are left out: what they import is not the protocol's doing. A module that is None in
# sys.modules cannot be imported, by nobody.
CODE = """
import importlib, pkgutil, sys, types
repository = sys.argv[1]
folders = {"ai_runner": "/ai_runner", "ai_runner.drivers": "/drivers", "ai_runner.drivers.stm32": "/drivers/stm32",
           "ai_runner.firmware_proto": "/firmware_proto"}
for name, folder in folders.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [repository + folder]
for name in sys.argv[2:]:
    sys.modules[name] = None
package = importlib.import_module("ai_runner.drivers.stm32.protocol")
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
print(*sorted(name for name in sys.modules if name.startswith("ai_runner.")))
"""


def test_importing_the_protocol_needs_no_wire_no_clock_and_no_thread(repository: Path) -> None:
    command = [sys.executable, "-c", CODE, str(repository), *FORBIDDEN]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"ai_runner.errors", "ai_runner.firmware_proto.messages"} <= loaded
    for path in (repository / "drivers" / "stm32" / "protocol").glob("*.py"):
        assert path.stem == "__init__" or f"ai_runner.drivers.stm32.protocol.{path.stem}" in loaded


def test_the_check_sees_an_import(repository: Path) -> None:
    command = [sys.executable, "-c", CODE, str(repository), "ai_runner.errors"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "ai_runner.errors" in done.stderr
