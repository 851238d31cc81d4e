"""Another package's driver joins the suite through the environment, and the suite sees what is wrong with one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = '''
from dataclasses import dataclass, field
from time import perf_counter
import numpy as np
from ai_runner.descriptor import Descriptor
from ai_runner.driver import Driver
from ai_runner.errors import InvalidParamError, NotConnectedError
from ai_runner.model import DeviceInfo, Mode, ModelInfo, RuntimeInfo, TensorInfo, TensorRole
from ai_runner.profile import RunResult, TimeSource


class Negate(Driver):
    def open(self, deadline):
        if self.descriptor.address != "here":
            raise InvalidParamError(f"{self.descriptor}: there is nothing")
        tensors = [TensorInfo(n, (1, 3), np.dtype(np.float32), None, r) for n, r in
                   (("x", TensorRole.INPUT), ("y", TensorRole.OUTPUT))]
        runtime = RuntimeInfo("none", "negate", (1, 0, 0))
        self.model = ModelInfo("negate", tensors[:1], tensors[1:], runtime, DeviceInfo("HOST", "", ""))

    def names(self):
        return ("negate",)

    def info(self, name):
        if name != "negate" or getattr(self, "model", None) is None:
            raise NotConnectedError(f"no {name}")
        return self.model

    def invoke(self, name, inputs, mode=Mode.IO_ONLY, callback=None):
        info, start, (x,) = self.info(name), perf_counter(), inputs
        y, durations = np.empty_like(x), []
        for i in range(len(x)):
            if callback is not None:
                callback.on_sample_begin(i)
            y[i] = -x[i]
            durations.append(0.0)
            if callback is not None and callback.on_sample_end(i, [y[i]], {}) is False:
                break
        y = y[: len(durations)].copy()
        host = (perf_counter() - start) * 1e3
        return RunResult(info, mode, (y,), durations, TimeSource.HOST, host_duration=host)

    def close(self):
        self.model = None


class Wrong(Negate):
    """Hands out the same array again and again, stops at None, and outlives close()."""
    _memory = {}

    def invoke(self, name, inputs, mode=Mode.IO_ONLY, callback=None):
        result = super().invoke(name, inputs, mode, callback)
        y = self._memory.setdefault(result.outputs[0].shape, result.outputs[0])
        y[:] = result.outputs[0]
        return RunResult(result.info, result.mode, (y,), [1.0], TimeSource.HOST, host_duration=1.0)

    def close(self):
        pass


@dataclass
class Specimen:
    cls: type
    expected: object = field(default=lambda inputs: [-inputs[0]])

    def driver(self, option="", **keywords):
        options = dict([option.split("=")]) if option else {}
        return self.cls(Descriptor("negate", "here", options), **keywords)

    def elsewhere(self, address):
        return self.cls(Descriptor("negate", address))


SPECIMENS = {"theirs-right": lambda request: Specimen(Negate), "theirs-wrong": lambda request: Specimen(Wrong)}
'''


def test_the_suite_passes_a_right_driver_and_fails_a_wrong_one(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "their_package.py").write_text(PACKAGE, "utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "AI_RUNNER_SPECIMENS": "their_package:SPECIMENS",
    }
    suite = repository / "tests" / "conformance" / "test_contract.py"
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "-k", "theirs", str(suite)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=repository, check=False)
    failed = re.findall(r"^FAILED \S+::(\w+)\[theirs-(\w+)", done.stdout, re.MULTILINE)
    assert {which for _, which in failed} == {"wrong"}, done.stdout
    assert {
        "test_they_are_the_callers_own",
        "test_every_sample_has_a_time_with_a_source",
        "test_use_before_open_and_after_close_is_a_typed_error",
        "test_closing_from_a_callback_takes_effect",
    } <= {test for test, _ in failed}
    assert re.search(r"\d+ passed", done.stdout)
