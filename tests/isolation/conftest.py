"""A driver that misbehaves on request, in a module that a child process can import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.isolation import IsolatedDriver

UNRULY = """
import logging, os, signal, subprocess, sys, threading, time
import numpy as np
from ai_runner.driver import Driver
from ai_runner.errors import *
from ai_runner.model import *
from ai_runner.profile import NodeProfile, RunResult, TimeSource
from ai_runner.quantization import Quantization


class MyError(InvalidModelError):
    pass


def die(how):
    if how == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "abort":
        print("about to abort", file=sys.stderr)
        os.abort()
    elif how == "exit":
        os._exit(7)
    elif how == "garbage":
        for fd in range(3, 64):
            try:
                os.write(fd, bytes(200))
            except OSError:
                pass
        time.sleep(60)
    elif how == "typed":
        raise MyError("no good", hint="try another", evidence={"port": "COM1", "odd": object()}, retryable=True)
    elif how == "bug":
        raise ZeroDivisionError("one by nothing")
    elif how == "interrupt":
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)
    elif how == "hang":
        time.sleep(60)
    elif how == "print":
        print("to stdout")
        os.write(1, b"to fd 1")
        subprocess.run([sys.executable, "-c", "print('from a child', input('?') if 0 else '')"], check=True)
        logging.getLogger("ai_runner.unruly").warning("careful")


class Unruly(Driver):
    OPTIONS = {"open": "how to die in open", "invoke": "how to die in invoke", "close": "how to die in close",
               "isolate": "process"}
    KEYWORDS = frozenset({"weights", "note"})
    ISOLATABLE = True

    def open(self, deadline):
        die(self.descriptor.options.get("open"))
        tensor = TensorInfo("x", (1, 3), np.dtype(np.int16), Quantization((0.5,), (1,)), TensorRole.INPUT, "I.0")
        runtime = RuntimeInfo("none", "unruly", (1, 2, 3), attributes={"pid": str(os.getpid())},
                              capabilities=(Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA))
        self._info = ModelInfo("unruly", (tensor,), (tensor, tensor), runtime, DeviceInfo("HOST", "here", "1"), 1)

    def names(self):
        return ("unruly",)

    def info(self, name):
        return self._info

    def invoke(self, name, inputs, mode=Mode.IO_ONLY, callback=None):
        die(self.descriptor.options.get("invoke"))
        x = inputs[0]
        node = NodeInfo("double_0", 0, 7, "DOUBLE", self._info.outputs[:1])
        done = 0
        for i in range(len(x)):
            if callback is not None:
                callback.on_sample_begin(i)
                callback.on_node_begin(0, [x[i]])
                callback.on_node_end(0, [x[i] * 2], logs={"shape": [3], "dur": 0.25})
            done += 1
            if callback is not None and callback.on_sample_end(i, [x[i] * 2, -x[i]], {"dur": 0.5}) is False:
                break
        x = x[:done]
        nodes = (NodeProfile(node, [0.25] * done, TimeSource.ISOLATED, (x * 2,)),) if mode else ()
        return RunResult(self._info, mode, (x * 2, -x), [0.5] * done, TimeSource.HOST, nodes, 1.0, warnings=("beware",))

    def extension(self, name, **command):
        if "echo" in command:
            return command, self.keywords
        return False

    def close(self):
        die(self.descriptor.options.get("close"))
        if "note" in self.keywords:
            with open(self.keywords["note"], "a") as file:
                file.write("closed")
"""


@pytest.fixture(scope="session")
def unruly_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unruly")
    (folder / "unruly_driver.py").write_text(UNRULY, "utf-8")
    return folder


@pytest.fixture
def unruly(unruly_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., IsolatedDriver]]:
    """Makes isolated drivers; `options` say where and how each goes wrong. Closes them at the end."""
    monkeypatch.syspath_prepend(str(unruly_folder))
    import unruly_driver

    made: list[IsolatedDriver] = []

    def make(opened: bool = True, options: dict[str, str] | None = None, **keywords: Any) -> IsolatedDriver:
        driver = IsolatedDriver(unruly_driver.Unruly, Descriptor("unruly", "x", options or {}), **keywords)
        made.append(driver)
        if opened:
            driver.open(Deadline(60))
        return driver

    yield make
    for driver in made:
        driver.close()
    sys.modules.pop("unruly_driver", None)
