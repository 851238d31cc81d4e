"""A recorded line, played: a transport whose other end is a recording."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable

from ai_runner.deadline import Deadline
from ai_runner.errors import InvalidMsgError, LinkLostError
from ai_runner.transport import Transport
from ai_runner.transport.cassette import Piece

_SHOWN_BYTES = 8


class ReplayMismatchError(InvalidMsgError):
    """What is asked is not what was asked when the session was recorded; the message has the first difference."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"the recording does not fit: {message}",
            hint="replay with the same model, inputs and mode, or record again",
        )


class RecordedPeer(ABC):
    """The other end of a recorded line."""

    def greeting(self) -> Iterable[tuple[float, bytes]]:
        """What it says before anything is written: s after the line was opened, and bytes."""
        return ()

    @property
    def finished(self) -> bool:
        """Nothing is left to be heard or said: what became of the line then becomes of it now. False if unknown."""
        return False

    @abstractmethod
    def answer(self, data: bytes) -> Iterable[tuple[float, bytes]]:
        """What it says to `data`, in order: s after the last byte of what it answers, and bytes.

        Raises:
            ReplayMismatchError: this was not said when the session was recorded.
        """


class ExactPeer(RecordedPeer):
    """Answers as recorded to exactly the bytes that were written then, in whatever pieces they come."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._rest = deque(pieces)
        self._place = 0
        self._offset = 0

    def greeting(self) -> Iterable[tuple[float, bytes]]:
        return self._answers(0.0)

    @property
    def finished(self) -> bool:
        return not self._rest

    def answer(self, data: bytes) -> Iterable[tuple[float, bytes]]:
        said: list[tuple[float, bytes]] = []
        while data:
            if not self._rest:
                raise ReplayMismatchError(f"it ends after {self._place} bytes written, and more are")
            piece = self._rest[0]
            expected = piece.data[self._offset : self._offset + len(data)]
            self._compare(data[: len(expected)], expected)
            self._place += len(expected)
            self._offset += len(expected)
            data = data[len(expected) :]
            if self._offset == len(piece.data):
                self._rest.popleft()
                self._offset = 0
                said += self._answers(piece.time)
        return said

    def _answers(self, since: float) -> list[tuple[float, bytes]]:
        said = []
        while self._rest and not self._rest[0].written:
            piece = self._rest.popleft()
            said.append((piece.time - since, piece.data))
        return said

    def _compare(self, data: bytes, expected: bytes) -> None:
        for i, (new, old) in enumerate(zip(data, expected, strict=True)):
            if new != old:
                now, then = data[i : i + _SHOWN_BYTES].hex(" "), expected[i : i + _SHOWN_BYTES].hex(" ")
                raise ReplayMismatchError(f"byte {self._place + i} written is {now}, recorded was {then}")


class _Clock:
    """Seconds that pass by waiting only, so that no deadline depends on how busy the machine is."""

    def __init__(self, sleeps: bool) -> None:
        self.now = 0.0
        self._sleeps = sleeps

    def __call__(self) -> float:
        return self.now

    def wait_until(self, moment: float) -> None:
        if self._sleeps and moment > self.now:
            time.sleep(moment - self.now)
        self.now = max(self.now, moment)


class Player(Transport):
    """Says what `peer` answers, at once or when it came in the recording.

    Args:
        peer: the other end.
        line: what the recorded transport said of itself.
        recorded_speed: wait as long as the recording did; else not at all.
        lost: what was said when the recorded line was lost, which then happens at the same place; '' where it was not.

    It has no baud rate: whichever is tried, what was recorded is what comes.
    """

    def __init__(self, peer: RecordedPeer, line: str, recorded_speed: bool = False, lost: str = "") -> None:
        self._lost = lost
        self._gone = False
        self._peer = peer
        self._line = line
        self._recorded_speed = recorded_speed
        self._clock = _Clock(recorded_speed)
        self._coming: deque[tuple[float, bytes]] = deque()
        self._say(peer.greeting())

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        remaining = deadline.remaining()
        due = self._coming[0][0] if self._coming else None
        if due is None and self._lost and self._peer.finished:
            raise self._loss()
        if due is None or (remaining is not None and due > self._clock.now + remaining):
            if remaining is None:
                raise LinkLostError(f"{self.describe()}: nothing more was recorded")
            self._clock.wait_until(self._clock.now + remaining)
            if not deadline.expired:  # what rounding left
                self._clock.now += 1e-6
            return b""
        self._clock.wait_until(due)
        taken = bytearray()
        while self._coming and self._coming[0][0] <= self._clock.now and len(taken) < max_bytes:
            due, data = self._coming.popleft()
            room = max_bytes - len(taken)
            taken += data[:room]
            if data[room:]:
                self._coming.appendleft((due, data[room:]))
        return bytes(taken)

    def write(self, data: bytes, deadline: Deadline) -> None:
        if self._gone:
            raise self._loss()
        self._say(self._peer.answer(bytes(data)))

    def close(self) -> None:
        self._coming.clear()

    def describe(self) -> str:
        return f"{self._line}, replayed"

    def deadline(self, seconds: float | None) -> Deadline:
        return Deadline(seconds, self._clock)

    def _loss(self) -> LinkLostError:
        self._gone = True
        return LinkLostError(self._lost, hint="so it happened when it was recorded", retryable=True)

    def _say(self, answers: Iterable[tuple[float, bytes]]) -> None:
        earliest = self._coming[-1][0] if self._coming else self._clock.now
        for delay, data in answers:
            due = self._clock.now + max(delay, 0.0) if self._recorded_speed else self._clock.now
            earliest = max(earliest, due)
            self._coming.append((earliest, data))
