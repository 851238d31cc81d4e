"""The profile that ONNX Runtime writes: a list of events in Chrome's trace format, read for the times of kernels."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from ai_runner.drivers.onnx.model import MARK

_KERNEL = "_kernel_time"


class ProfileFile:
    """Where a session writes its profile.

    The file has no name any more as soon as the session has opened it, where the system allows that (POSIX does): so
    none is left behind, whatever ends the process.

    Attributes:
        prefix: what the session is told; it puts a time and ``.json`` behind it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="ai-runner-onnx-", ignore_cleanup_errors=True)
        self._file: IO[bytes] | None = None
        self.prefix = Path(self._folder.name) / "profile"

    def opened(self) -> None:
        """To be called when the session has started."""
        for path in self.prefix.parent.iterdir():
            try:
                self._file = path.open("rb")
                path.unlink()
            except OSError:  # it is open, which Windows minds
                if self._file is not None:
                    self._file.close()
                self._file = None
                return
        self._folder.cleanup()

    def read(self, path: str) -> str:
        """What the session has written, after its end; `path` is what it calls the file."""
        try:
            content = Path(path).read_bytes() if self._file is None else self._file.read()
        except OSError:
            return ""
        return content.decode("utf-8", errors="replace")

    def close(self) -> None:
        """Removes what is left."""
        if self._file is not None:
            self._file.close()
        self._folder.cleanup()


def kernel_times(content: str, nodes: int, runs: int) -> list[list[float] | None]:
    """Times of every node in ms, one a run.

    Args:
        content: the profile of a model made by `OnnxModel.observable`.
        nodes: number of its nodes.
        runs: how often it ran.

    Returns:
        One list a node; None where the profile has not one event for each run.
    """
    times: list[list[float]] = [[] for _ in range(nodes)]
    for event in _events(content):
        name, duration = event.get("name"), event.get("dur")
        if not isinstance(name, str) or not (name.startswith(MARK) and name.endswith(_KERNEL)):
            continue
        position = name[len(MARK) : -len(_KERNEL)]
        if position.isdecimal() and int(position) < nodes and isinstance(duration, int | float):
            times[int(position)].append(duration / 1e3)
    return [found if len(found) == runs else None for found in times]


def _events(content: str) -> list[dict[str, Any]]:
    try:
        events = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
