"""AiRunner: one object, many runtimes, one verdict. Names only; docs/ and the modules explain them."""

from typing import TYPE_CHECKING

from ai_runner.driver import AiRunnerCallback
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidModelError,
    InvalidMsgError,
    InvalidParamError,
    LinkLostError,
    LinkTimeoutError,
    MissingRuntimeError,
    NotConnectedError,
    NotInitializedMsgError,
    TargetCrashError,
)
from ai_runner.model import Caps, Mode
from ai_runner.profile import RunResult
from ai_runner.registry import is_valid_exec_domain
from ai_runner.runner import AiRunner
from ai_runner.session import AiRunnerSession

if TYPE_CHECKING:
    from ai_runner.interpreter import AiRunnerInterpreter
    from ai_runner.logger import get_log_level, get_logger, set_log_level
    from ai_runner.memory_image import bsdchecksum, dump_ihex_file

# What few scripts ask for is imported when it is.
_LATER = {
    "AiRunnerInterpreter": "interpreter",
    "bsdchecksum": "memory_image",
    "dump_ihex_file": "memory_image",
    "get_log_level": "logger",
    "get_logger": "logger",
    "set_log_level": "logger",
}

__version__ = "0.1.0"
__author__ = "the AiRunner authors"
__license__ = "BSD-3-Clause"
__copyright__ = "Copyright (c) 2026, the AiRunner authors"

__all__ = [
    "AiRunner",
    "AiRunnerCallback",
    "AiRunnerError",
    "AiRunnerInterpreter",
    "AiRunnerSession",
    "Caps",
    "HwIOError",
    "InvalidModelError",
    "InvalidMsgError",
    "InvalidParamError",
    "LinkLostError",
    "LinkTimeoutError",
    "MissingRuntimeError",
    "Mode",
    "NotConnectedError",
    "NotInitializedMsgError",
    "RunResult",
    "TargetCrashError",
    "bsdchecksum",
    "dump_ihex_file",
    "get_log_level",
    "get_logger",
    "is_valid_exec_domain",
    "set_log_level",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
