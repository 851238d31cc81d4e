"""AiRunner: one object, many runtimes, one verdict. Names only; docs/ and the modules explain them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from ai_runner.interpreter import AiRunnerInterpreter
    from ai_runner.logger import get_log_level, get_logger, set_log_level
    from ai_runner.memory_image import bsdchecksum, dump_ihex_file
    from ai_runner.model import Caps, Mode
    from ai_runner.profile import RunResult
    from ai_runner.registry import is_valid_exec_domain
    from ai_runner.runner import AiRunner
    from ai_runner.session import AiRunnerSession

# A module is imported when somebody asks for a name of it: the plugin for pytest is loaded into suites of others, and
# the command line answers --help, without numpy.
_HOMES = {
    "driver": ("AiRunnerCallback",),
    "errors": (
        *("AiRunnerError", "HwIOError", "InvalidModelError", "InvalidMsgError", "InvalidParamError", "LinkLostError"),
        *("LinkTimeoutError", "MissingRuntimeError", "NotConnectedError", "NotInitializedMsgError", "TargetCrashError"),
    ),
    "interpreter": ("AiRunnerInterpreter",),
    "logger": ("get_log_level", "get_logger", "set_log_level"),
    "memory_image": ("bsdchecksum", "dump_ihex_file"),
    "model": ("Caps", "Mode"),
    "profile": ("RunResult",),
    "registry": ("is_valid_exec_domain",),
    "runner": ("AiRunner",),
    "session": ("AiRunnerSession",),
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
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found  # asked for once
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
