"""A recorded conversation between driver and board, and a host that repeats it without looking."""

from __future__ import annotations

import os
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ai_runner.deadline import Deadline
from ai_runner.descriptor import parse_descriptor
from ai_runner.drivers.stm32.driver import Stm32Driver
from ai_runner.transport import Transport

READ_SIZE = 1 << 16
TRIES = 5


@dataclass
class Turn:
    """What the host writes at once, and what it reads before it writes again."""

    said: bytes
    answered: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Conversation:
    """What is said when a connection is opened, and for one invoke after that."""

    opening: list[Turn]
    invoke: list[Turn]


class Tap(Transport):
    """Writes the turns of a line down."""

    def __init__(self, line: Transport) -> None:
        self._line = line
        self.turns: list[Turn] = []

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        data = self._line.read(max_bytes, deadline)
        if data:
            self.turns[-1].answered += data
        return data

    def write(self, data: bytes, deadline: Deadline) -> None:
        self._line.write(data, deadline)
        self.turns.append(Turn(data))

    def close(self) -> None:
        self._line.close()

    def describe(self) -> str:
        return self._line.describe()


def open_driver(descriptor: str, **keywords: Any) -> Stm32Driver:
    driver = Stm32Driver(parse_descriptor(descriptor), **keywords)
    driver.open(Deadline(20))
    return driver


def record(descriptor: str, invoker: Callable[[Stm32Driver], Callable[[], object]]) -> Conversation:
    """Opens a connection and calls what `invoker` makes of its driver.

    Some runs are followed by a question of the driver's own, for instance slow ones: the shortest of several is kept.
    """
    taps: list[Tap] = []

    def tap(line: Transport) -> Transport:
        taps.append(Tap(line))
        return taps[-1]

    driver = open_driver(descriptor, wrap=tap)
    opening, invokes = taps[-1].turns, []
    invoke = invoker(driver)
    for _ in range(TRIES):
        taps[-1].turns = []
        invoke()
        invokes.append(taps[-1].turns)
    driver.close()
    return Conversation(opening, min(invokes, key=len))


@contextmanager
def bare_loop(path: str, conversation: Conversation) -> Iterator[Callable[[], object]]:
    """Opens a terminal, says what opens a connection, and yields what says an invoke: nothing but writes and reads."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        say(fd, [(turn.said, len(turn.answered)) for turn in conversation.opening])
        yield partial(say, fd, [(turn.said, len(turn.answered)) for turn in conversation.invoke])
    finally:
        os.close(fd)


def say(fd: int, turns: Sequence[tuple[bytes, int]]) -> None:
    for said, expected in turns:
        os.write(fd, said)
        while expected > 0:
            expected -= len(os.read(fd, READ_SIZE))
