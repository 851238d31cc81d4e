"""A recorded conversation between driver and board, played again without driver or without board."""

from __future__ import annotations

import os
import signal
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

SYNC_BYTE, END_OF_MESSAGE = 0xAA, 0x80
LAST_REQUEST = 127  # requests are counted from 1 to here, again and again
READ_SIZE = 1 << 16


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
    """Opens a connection and calls once what `invoker` makes of its driver."""
    taps: list[Tap] = []

    def tap(line: Transport) -> Transport:
        taps.append(Tap(line))
        return taps[-1]

    driver = open_driver(descriptor, wrap=tap)
    opening, taps[-1].turns = taps[-1].turns, []
    invoker(driver)()
    turns = taps[-1].turns
    taps[-1].turns = []
    driver.close()
    return Conversation(opening, turns)


# -- without driver ---------------------------------------------------------------------------------------------------


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


# -- without board ----------------------------------------------------------------------------------------------------


@contextmanager
def player(conversation: Conversation, header_bytes: int, packet_bytes: int) -> Iterator[str]:
    """A process that gives the recorded answers to as many bytes as were written then; yields its terminal.

    `packet_bytes`: payload of a packet during the invoke.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    child = os.fork()
    if not child:
        try:
            answer_forever(ours, conversation, header_bytes, packet_bytes)
        finally:
            os._exit(1)
    os.close(ours)
    try:
        yield os.ttyname(theirs)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(theirs)


def answer_forever(fd: int, conversation: Conversation, header_bytes: int, packet_bytes: int) -> None:
    for turn in conversation.opening:
        answer(fd, turn)
    numbered = [
        (turn, list(request_numbers(turn.answered, header_bytes, packet_bytes))) for turn in conversation.invoke
    ]
    request = next(turn.answered[places[0]] for turn, places in numbered if places)
    while True:
        for turn, places in numbered:
            for place in places:
                turn.answered[place] = request
            answer(fd, turn)
        request = request % LAST_REQUEST + 1


def answer(fd: int, turn: Turn) -> None:
    expected = len(turn.said)
    while expected > 0:
        expected -= len(os.read(fd, READ_SIZE))
    rest = memoryview(turn.answered)
    while rest:
        rest = rest[os.write(fd, rest) :]


def request_numbers(answered: bytes | bytearray, header_bytes: int, packet_bytes: int) -> Iterator[int]:
    """Where the number of the request stands: it is the first field of every message."""
    at, begins = 0, True
    while at < len(answered):
        if answered[at] == SYNC_BYTE:
            at += 1
            continue
        if begins:
            yield at + header_bytes + 1
        begins = bool(answered[at] & END_OF_MESSAGE)
        at += header_bytes + packet_bytes
