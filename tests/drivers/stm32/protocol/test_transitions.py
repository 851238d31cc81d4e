"""The two tables of the conversation."""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol import commands
from ai_runner.drivers.stm32.protocol.transitions import HEARING, SAYING, Heard, State


def successors(state: State) -> set[State]:
    return {*SAYING[state].values(), *HEARING[state].values()}


def reachable(start: State) -> set[State]:
    found, waiting = {start}, [start]
    while waiting:
        new = successors(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def test_every_state_has_its_row() -> None:
    assert set(SAYING) == set(HEARING) == set(State)


def test_every_state_but_failure_is_on_a_way_from_ready_to_ready() -> None:
    assert reachable(State.UNSYNCED) == set(State) - {State.FAILED}
    for state in set(State) - {State.FAILED}:
        assert State.READY in reachable(state)
    assert successors(State.FAILED) == set()


def test_every_command_and_every_meaning_has_a_place() -> None:
    said = {command for row in SAYING.values() for command in row}
    defined = {each for each in vars(commands).values() if isinstance(each, type) and each.__base__ is commands.Command}
    assert said == defined
    heard = {meaning for row in HEARING.values() for meaning in row}
    assert heard == set(Heard) - {Heard.LOG}


def test_only_one_side_speaks_at_a_time() -> None:
    # In a self-test either side may, as the test wants it.
    for state in set(State) - {State.TESTING}:
        assert not (SAYING[state] and HEARING[state])


def test_an_error_of_the_device_ends_whatever_waits_for_an_answer() -> None:
    for state, row in HEARING.items():
        if row and state is not State.SYNCING:
            assert row[Heard.ACK_ERROR] is State.READY
