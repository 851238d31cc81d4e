"""A recorded line answers as it did, by a clock of its own, to exactly what was said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidMsgError, LinkLostError
from ai_runner.transport import player as player_module
from ai_runner.transport.cassette import Piece
from ai_runner.transport.player import ExactPeer, Player, ReplayMismatchError

PIECES = (
    Piece(0.5, False, b"hello"),
    Piece(1.0, True, b"question"),
    Piece(1.25, False, b"an"),
    Piece(4.0, False, b"swer"),
    Piece(5.0, True, b"bye"),
)


def player(recorded_speed: bool = False) -> Player:
    return Player(ExactPeer(PIECES), "COM3 at 9600 Bd", recorded_speed)


def test_it_answers_at_once_and_deadlines_end_by_waiting_only() -> None:
    line = player()
    soon = line.deadline(0.001)
    assert line.read(3, soon) == b"hel"
    assert line.read(99, soon) == b"lo"
    line.write(b"question", soon)
    assert line.read(99, soon) == b"answer"
    assert not soon.expired
    assert line.read(99, soon) == b""
    assert soon.expired


def test_recorded_speed_takes_the_time_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(player_module.time, "sleep", slept.append)
    line = player(recorded_speed=True)
    assert line.read(99, line.deadline(9)) == b"hello"
    line.write(b"question", line.deadline(9))
    assert line.read(99, line.deadline(1)) == b"an"
    assert line.read(99, line.deadline(1)) == b""
    assert line.read(99, line.deadline(9)) == b"swer"
    assert slept == pytest.approx([0.5, 0.25, 1.0, 1.75])


@given(st.data())
def test_pieces_make_no_difference(data: Any) -> None:
    line = player()
    heard = line.read(99, line.deadline(1))
    rest = b"questionbye"
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        line.write(rest[:size], line.deadline(1))
        rest = rest[size:]
        heard += line.read(99, line.deadline(1))
    assert heard == b"helloanswer"


def test_another_question_is_an_error_that_shows_the_first_difference() -> None:
    line = player()
    line.write(b"que", line.deadline(1))
    with pytest.raises(ReplayMismatchError, match=r"byte 4 written is 58 69, recorded was 74 69") as caught:
        line.write(b"sXi", line.deadline(1))
    assert isinstance(caught.value, InvalidMsgError)
    assert caught.value.EXIT_CODE == 3


def test_more_than_was_recorded_is_an_error() -> None:
    line = player()
    with pytest.raises(ReplayMismatchError, match="ends after 11 bytes"):
        line.write(b"questionbye!", line.deadline(1))


def test_waiting_for_ever_for_nothing_ends() -> None:
    line = player()
    line.read(99, line.deadline(None))
    with pytest.raises(LinkLostError, match="nothing more was recorded"):
        line.read(1, line.deadline(None))
    assert line.baudrate is None
    line.close()
    line.close()


def test_a_lost_line_is_lost_when_everything_has_been_said() -> None:
    line = Player(ExactPeer(PIECES), "COM3 at 9600 Bd", lost="COM3 is gone")
    assert line.read(99, line.deadline(1)) == b"hello"
    assert line.read(99, line.deadline(1)) == b""
    line.write(b"question", line.deadline(1))
    assert line.read(99, line.deadline(1)) == b"answer"
    line.write(b"bye", line.deadline(1))
    for _ in range(2):
        with pytest.raises(LinkLostError, match="COM3 is gone"):
            line.read(99, line.deadline(1))
        with pytest.raises(LinkLostError, match="COM3 is gone"):
            line.write(b"more", line.deadline(1))
