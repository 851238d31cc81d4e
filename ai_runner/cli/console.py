"""What goes to standard error: errors, warnings, the progress bar. One line each, nothing on standard output."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ai_runner.errors import AiRunnerError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ai_runner.runner import AiRunner

_PATIENCE = 1.0  # s before a bar appears
_LONG_RUN = 5.0  # s


def add_verbosity(
    parser: argparse.ArgumentParser, verbose: int | str = argparse.SUPPRESS, debug: bool | str = argparse.SUPPRESS
) -> None:
    """``-v`` and ``--debug``; with the defaults, for a verb: there they do not overwrite what was given before it."""
    parser.add_argument("-v", "--verbose", action="count", default=verbose, help="say more on standard error")
    parser.add_argument("--debug", action="store_true", default=debug, help="show tracebacks and debug messages")


def show_error(error: AiRunnerError, debug: bool = False, verbose: bool = False) -> None:
    """What, where and what to do, in one line; what was seen when asked for more."""
    if debug:
        traceback.print_exception(error)
    message = error.message or type(error).__name__
    _say("error", f"{message}; {error.hint}" if error.hint else message)
    for key, value in error.evidence.items() if verbose or debug else ():
        for line in str(value).splitlines() or [""]:
            _say(f" {key}", line, prefix="")


def show_internal_error(error: Exception, debug: bool) -> None:
    """An exception that nobody foresaw."""
    if debug:
        traceback.print_exception(error)
    next_step = "" if debug else "; this is a fault of ai-runner, run again with --debug for the traceback"
    _say("error", f"internal error: {type(error).__name__}: {error}{next_step}")


def show_interruption() -> None:
    """Ctrl-C."""
    _say("error", "interrupted")


@contextmanager
def logging_to_stderr(debug: bool, verbose: int) -> Iterator[None]:
    """Messages of the library and warnings of Python as single lines, equal ones once, while the block runs."""
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    handler.addFilter(_Once())
    loggers = [logging.getLogger("ai_runner"), logging.getLogger("py.warnings")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (old_level, old_propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old_level)
            logger.propagate = old_propagate


def foretell(runner: AiRunner, samples: int) -> None:
    """Says how long a long run takes at least, before it starts."""
    seconds = runner.least_seconds(samples)
    if seconds is not None and seconds > _LONG_RUN:
        _say("info", f"{runner.descriptor}: {samples} samples take {seconds:.0f} s or more on the line")


class ProgressBar:
    """A bar on standard error, when that is a terminal, for what takes longer than a second; silent otherwise."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Moves the bar to `done` of `total`."""
        if self._bar is None and self._wanted and time.monotonic() - self._started > _PATIENCE and done < total:
            self._show(total)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._title, total=total)
        self._bar.start()


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        from ai_runner.report.printable import printable

        text = super().format(record)
        if record.exc_info:
            return f"ai-runner: {record.levelname.lower()}: {text}"
        return f"ai-runner: {record.levelname.lower()}: {printable(' '.join(text.split()))}"


class _Once(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[int, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.levelno, record.getMessage())
        if record.levelno < logging.WARNING or key not in self._seen:
            self._seen.add(key)
            return True
        return False


def _say(what: str, text: str, prefix: str = "ai-runner: ") -> None:
    from ai_runner.report.printable import printable

    sys.stderr.write(f"{prefix}{what}: {printable(' '.join(text.split()))}\n")
