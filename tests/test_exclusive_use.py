"""Commands one at a time, and closing between them: also in whatever order threads get to run."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_runner import exclusive_use
from ai_runner.errors import AiRunnerError, InvalidParamError
from ai_runner.exclusive_use import ExclusiveUse


class Connection:
    """Counts what happens to it; fails where a command meets another one, or its own end."""

    def __init__(self, pause: Callable[[], None] = lambda: None) -> None:
        self.commands = self.releases = self.refused = 0
        self.use = ExclusiveUse("c:x", self._release)
        self.wrong: list[str] = []
        self._inside = 0
        self._pause = pause

    def command(self, during: Callable[[], None] = lambda: None) -> None:
        try:
            with self.use:
                self._alone("command", self._pause, during)
                self.commands += 1
        except InvalidParamError:
            self.refused += 1

    def _release(self) -> None:
        self._alone("release", self._pause)
        self.releases += 1

    def _alone(self, what: str, *steps: Callable[[], None]) -> None:
        if self._inside:
            self.wrong.append(f"{what} beside another one")
        self._inside += 1
        for step in steps:
            step()
        self._inside -= 1


@pytest.fixture
def connection() -> Connection:
    return Connection()


def in_a_thread(do: Callable[[], Any]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def test_nothing_is_released_before_it_is_closed(connection: Connection) -> None:
    connection.command()
    assert connection.releases == 0


def test_closing_when_nothing_runs_releases_at_once(connection: Connection) -> None:
    connection.use.close()
    assert connection.releases == 1


def test_closing_twice_releases_twice(connection: Connection) -> None:
    # What is released already is the driver's to know: it may have been opened again in between.
    connection.use.close()
    connection.use.close()
    assert connection.releases == 2


@pytest.mark.parametrize("by", [lambda close: close(), in_a_thread], ids=["itself", "another thread"])
def test_closing_during_a_command_waits_for_its_end(connection: Connection, by: Callable[..., None]) -> None:
    seen = []

    def during() -> None:
        by(connection.use.close)
        by(connection.use.close)
        seen.append(connection.releases)

    connection.command(during)
    assert seen == [0]
    assert connection.releases == 1
    assert connection.wrong == []


@pytest.mark.parametrize("by", [lambda run: run(), in_a_thread], ids=["itself", "another thread"])
def test_a_second_command_is_refused(connection: Connection, by: Callable[..., None]) -> None:
    connection.command(lambda: by(connection.command))
    assert (connection.commands, connection.refused) == (1, 1)
    connection.command()
    assert connection.commands == 2


def test_the_refusal_says_who_and_what_to_do(connection: Connection) -> None:
    with connection.use, pytest.raises(AiRunnerError, match="c:x: used while a run is going on") as refused:
        connection.use.__enter__()
    assert "of its own" in refused.value.hint


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_command_that_fails_or_is_interrupted_has_ended(connection: Connection, error: type[BaseException]) -> None:
    def fail() -> None:
        connection.use.close()
        raise error

    with pytest.raises(error), connection.use:
        fail()
    assert connection.releases == 1
    connection.command()
    assert connection.commands == 1


def test_a_connection_is_used_and_closed_again_after_its_end(connection: Connection) -> None:
    for count in (1, 2, 3):
        connection.command(connection.use.close)
        assert connection.releases == count


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_releasing_raises_comes_out_once(error: type[BaseException]) -> None:
    class Stubborn:
        def __init__(self) -> None:
            self.left = [error, error]

        def release(self) -> None:
            if self.left:
                raise self.left.pop()

    stubborn = Stubborn()
    use = ExclusiveUse("c:x", stubborn.release)
    with pytest.raises(error):
        use.close()
    with pytest.raises(error), use:
        use.close()
    with use:
        pass
    use.close()
    assert stubborn.left == []


def test_a_connection_that_nobody_keeps_is_gone_without_garbage_collection() -> None:
    connection = Connection()
    connection.command()
    gone = weakref.ref(connection)
    gc.disable()
    try:
        del connection
        assert gone() is None
    finally:
        gc.enable()


class Interleaving:
    """Threads that take turns after each bytecode of the class under test, in an order that is given."""

    def __init__(self, order: Iterator[int]) -> None:
        self._order = order
        self._turns: dict[int, threading.Semaphore] = {}
        self._back = threading.Semaphore(0)
        self._numbers = threading.local()

    def pause(self) -> None:
        """Lets another thread run, where there is one."""
        number = getattr(self._numbers, "own", None)
        if number is not None:
            self._back.release()
            self._turns[number].acquire()

    def run(self, bodies: Sequence[Callable[[], None]]) -> None:
        self._turns = {number: threading.Semaphore(0) for number in range(len(bodies))}
        threads = {
            number: threading.Thread(target=self._run_one, args=(number, body)) for number, body in enumerate(bodies)
        }
        for thread in threads.values():
            thread.start()
        while threads:
            number = sorted(threads)[next(self._order) % len(threads)]
            self._turns[number].release()
            self._back.acquire()
            if number not in self._turns:
                threads.pop(number).join()

    def _run_one(self, number: int, body: Callable[[], None]) -> None:
        self._numbers.own = number
        self._turns[number].acquire()
        sys.settrace(self._trace)
        try:
            body()
        finally:
            sys.settrace(None)
            del self._turns[number]
            self._back.release()

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != exclusive_use.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.pause()
        return self._trace


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["command", "close", "closing command"]), min_size=1, max_size=2),
        min_size=2,
        max_size=3,
    ),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=10),
)
def test_in_whatever_order_threads_run(scripts: list[list[str]], turns: list[tuple[int, int]]) -> None:
    order = chain.from_iterable(repeat(number, steps) for number, steps in turns)
    interleaving = Interleaving(chain(order, repeat(0)))
    connection = Connection(interleaving.pause)
    does: dict[str, Callable[[], None]] = {
        "command": connection.command,
        "close": connection.use.close,
        "closing command": lambda: connection.command(connection.use.close),
    }

    def follow(script: list[str]) -> None:
        for word in script:
            does[word]()

    interleaving.run([partial(follow, script) for script in scripts])
    words = [word for script in scripts for word in script]
    assert connection.wrong == []
    assert connection.commands + connection.refused == len(words) - words.count("close")
    # The last of those who wanted it closed was heard, and nobody is left inside.
    closers = words.count("close") + min(connection.commands, words.count("closing command"))
    assert (connection.releases > 0) >= ("close" in words)
    assert connection.releases <= closers
    before = connection.commands, connection.releases
    connection.command()
    assert (connection.commands, connection.releases) == (before[0] + 1, before[1]), "a wish to close was left"


def test_many_threads_at_once() -> None:
    connection = Connection()

    def work() -> None:
        for k in range(2000):
            (connection.use.close if k % 3 == 0 else connection.command)()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connection.wrong == []
    releases = connection.releases
    assert releases > 0
    connection.command()
    assert connection.releases == releases
