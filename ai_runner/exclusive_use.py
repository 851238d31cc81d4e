"""One command of a connection at a time, and the end of the connection only between commands."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from ai_runner.errors import InvalidParamError


class ExclusiveUse:
    """Who uses a connection says so with ``with``; who closes it never cuts a command off.

    `close` during a command, from a callback of it or from another thread, returns at once, and the connection is
    released as soon as the command has ended, however it ends. A second command is refused meanwhile.

    Args:
        who: names the connection in messages.
        release: a method of the connection, which frees what that holds, where it holds anything; called while no
            command is going on. What it raises comes out of the `close`, or of the end of the command, that called it.
    """

    def __init__(self, who: object, release: Callable[[], None]) -> None:
        self._who = who
        self._release = weakref.WeakMethod(release)  # a connection that nobody keeps is gone at once
        self._busy = threading.Lock()
        self._close_wanted = False

    def __enter__(self) -> None:
        """Begins a command; raises InvalidParamError while another one is going on, in this thread or in another."""
        if not self._busy.acquire(blocking=False):
            raise InvalidParamError(
                f"{self._who}: used while a run is going on", hint="use a connection of its own for each thread"
            )

    def __exit__(self, *_: object) -> None:
        """Ends the command."""
        self._busy.release()
        if self._close_wanted:
            self._close_between_commands()

    def close(self) -> None:
        """Releases the connection, now or when the command that is going on has ended."""
        self._close_wanted = True
        self._close_between_commands()

    def _close_between_commands(self) -> None:
        # The wish stands before the lock is tried, and is looked for after each release of the lock: whoever of a
        # closing and an ending thread comes last sees it.
        while self._close_wanted and self._busy.acquire(blocking=False):
            try:
                if self._close_wanted:
                    self._close_wanted = False
                    release = self._release()
                    if release is not None:
                        release()
            finally:
                self._busy.release()
