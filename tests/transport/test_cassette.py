"""Cassettes are written whole, read back as written, and anything else is a typed error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidParamError, LinkLostError
from ai_runner.transport.cassette import SCHEMA, Cassette, CassetteError, Kind, event_line, header_line, read_cassette
from ai_runner.transport.memory import memory_pair
from ai_runner.transport.recorder import Recording

Said = list[tuple[bool, bytes]]


def begin(path: Path, said: Said) -> Recording:
    recording = Recording(path, "serial:COM3")
    host, device = memory_pair(rate=9600)
    line = recording.wrap(host)
    for written, data in said:
        if written:
            line.write(data, line.deadline(1))
        else:
            device.write(data, device.deadline(1))
            assert line.read(len(data), line.deadline(1)) == data
    line.close()
    return recording


def record(path: Path, said: Said) -> None:
    begin(path, said).finish()


def shown(cassette: Cassette) -> Said:
    return [(piece.written, piece.data) for piece in cassette.pieces]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cassettes")


@given(said=st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=50)), max_size=8))
def test_what_went_over_the_line_is_read_back(said: Said, folder: Path) -> None:
    record(folder / "a", said)
    cassette = read_cassette(folder / "a")
    assert shown(cassette) == said
    assert (cassette.descriptor, cassette.line, cassette.complete) == ("serial:COM3", "a line in memory", True)


def test_much_at_once_is_cut_into_pieces(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    record(tmp_path / "a", [(True, data)])
    pieces = read_cassette(tmp_path / "a").pieces
    assert len(pieces) > 1
    assert b"".join(piece.data for piece in pieces) == data


def test_a_crash_leaves_what_can_be_played_up_to_the_last_line(tmp_path: Path) -> None:
    said = [(True, b"question"), (False, b"answer"), (True, b"another")]
    recording = begin(tmp_path / "a", said)
    assert not (tmp_path / "a").exists()
    whole = (tmp_path / "a.part").read_bytes()  # what a crash would leave here
    recording.finish()
    lengths = []
    for end in range(len(whole) + 1):
        (tmp_path / "cut").write_bytes(whole[:end])
        try:
            cassette = read_cassette(tmp_path / "cut")
        except CassetteError:
            assert not lengths, "a longer piece cannot be worse than a shorter one"
            continue
        assert not cassette.complete
        assert shown(cassette) == said[: len(cassette.pieces)]
        lengths.append(len(cassette.pieces))
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 1, 2, 3}


def test_an_earlier_recording_stays_until_there_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    record(path, [(True, b"old")])
    nothing = Recording(path, "serial:COM3")
    nothing.finish()
    nothing.finish()
    assert shown(read_cassette(path)) == [(True, b"old")]
    record(path, [(True, b"new")])
    assert shown(read_cassette(path)) == [(True, b"new")]
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_the_line_that_was_opened_last_counts(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a", "serial")
    for data in (b"first", b"second"):
        line = recording.wrap(memory_pair()[0])
        recording.note(Kind.WRITTEN, data)
        line.close()
    recording.finish()
    assert shown(read_cassette(tmp_path / "a")) == [(True, b"second")]


@pytest.mark.parametrize("name", ["", "absent/a"])
def test_a_file_that_cannot_be_written_is_said_before_anything_runs(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError):
        Recording(tmp_path / name, "serial")


OPENED = event_line(1.0, Kind.OPENED, "COM3")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is not a cassette"),
        ("[]\n", "is not a cassette"),
        (json.dumps({"schema": "ai-runner/cassette/2", "descriptor": ""}) + "\n", SCHEMA),
        (json.dumps({"schema": SCHEMA}) + "\n", "line 1"),
        (header_line("serial"), "nothing was recorded"),
        (header_line("serial") + event_line(0, Kind.READ, b"x"), "line 2: bytes before"),
        (header_line("serial") + OPENED + event_line(0.5, Kind.READ, b"x"), "line 3: no time"),
        (header_line("serial") + OPENED + '[NaN,"<","eA=="]\n', "no time"),
        (header_line("serial") + OPENED + f'[1{"0" * 400},"<","eA=="]\n', "no time"),
        (header_line("serial") + OPENED + '[2,"<","e"]\n', "base64"),
        (header_line("serial") + OPENED + '[2,"?","eA=="]\n', "unknown kind"),
        (header_line("serial") + OPENED + '[2,["<"],"eA=="]\n', "unknown kind"),
        (header_line("serial") + OPENED + '[2,"baud",true]\n', "no baud rate"),
        (header_line("serial") + OPENED + "[" * 100_000 + "\n", "is not JSON"),
        (header_line("serial") + OPENED + "x" * 300_000 + "\n", "a line of more than"),
        (header_line("serial") + OPENED + event_line(2, Kind.END) + event_line(3, Kind.CLOSED), "after its end"),
    ],
)
def test_what_is_no_cassette_is_named(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(CassetteError, match=what) as caught:
        read_cassette(tmp_path / "a")
    assert caught.value.EXIT_CODE == 2


@pytest.mark.parametrize("name", ["absent", "", "nul\0"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CassetteError):
        read_cassette(tmp_path / name)


@given(data=st.binary(max_size=300), place=st.integers(0, 400), cut=st.integers(0, 20))
def test_garbage_is_a_cassette_or_a_typed_error(data: bytes, place: int, cut: int, folder: Path) -> None:
    record(folder / "good", [(True, b"question"), (False, b"answer")])
    good = (folder / "good").read_bytes()
    for damaged in (data, good[:place] + data + good[place + cut :]):
        (folder / "bad").write_bytes(damaged)
        try:
            cassette = read_cassette(folder / "bad")
        except CassetteError:
            continue
        assert isinstance(cassette, Cassette)


def test_a_line_that_was_lost_is_kept_and_goes_on_with_the_next_one(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "a", "serial")
    for data, last in ((b"nobody", False), (b"first", True), (b"second", True)):
        host, device = memory_pair()
        line = recording.wrap(host)
        line.write(data, line.deadline(1))
        if last:
            device.close()
            for _ in range(2):  # said once
                with pytest.raises(LinkLostError):
                    line.write(b"?", line.deadline(1))
                with pytest.raises(LinkLostError):
                    line.read(1, line.deadline(1))
        line.close()
    recording.finish()
    cassette = read_cassette(tmp_path / "a")
    assert [(piece.data, piece.begins) for piece in cassette.pieces if piece.data != b"?"] == [
        (b"first", False),
        (b"second", True),
    ]
    assert "closed" in cassette.lost
    assert (tmp_path / "a").read_text().count('"lost"') == 2
