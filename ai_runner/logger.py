"""The logging functions that scripts written for ST's AiRunner call."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

_COLORS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31;1m"}
_RESET = "\x1b[0m"


class _ColorFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        color = _COLORS.get(record.levelno, "")
        return f"{color}{super().format(record)}{_RESET}" if color else super().format(record)


def get_logger(
    name: str = "ai_runner",
    level: int | str = logging.INFO,
    color: bool = False,
    filename: str | None = None,
    with_prefix: bool = True,
) -> logging.Logger:
    """A logger of its own that writes to standard error, and to `filename` only when one is given.

    Args:
        name: shown in front of each line.
        level: a level of `logging`, number or name.
        color: colour warnings and errors on a terminal.
        filename: a file to write to as well, replaced when it exists.
        with_prefix: put name and level in front of each line.
    """
    logger = logging.Logger(name)
    stream: TextIO = sys.stderr
    formatter = _ColorFormatter if color and stream.isatty() else logging.Formatter
    layout = "%(name)s:%(levelname)s: %(message)s" if with_prefix else "%(message)s"
    handlers: list[logging.Handler] = [logging.StreamHandler(stream)]
    handlers[0].setFormatter(formatter(layout))
    if filename:
        handlers.append(logging.FileHandler(filename, mode="w", encoding="utf-8"))
        handlers[1].setFormatter(logging.Formatter(f"%(asctime)s {layout}"))
    for handler in handlers:
        logger.addHandler(handler)
    set_log_level(level, logger)
    return logger


def set_log_level(level: int | str, logger: logging.Logger | None = None) -> None:
    """Sets the level of `logger`, by default that of the whole package."""
    target = logger or logging.getLogger("ai_runner")
    target.setLevel(level.upper() if isinstance(level, str) else level)


def get_log_level(logger: logging.Logger | None = None) -> int:
    """Level in force for `logger`, by default that of the whole package."""
    return (logger or logging.getLogger("ai_runner")).getEffectiveLevel()
