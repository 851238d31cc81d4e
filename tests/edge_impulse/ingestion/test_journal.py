from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.edge_impulse.ingestion import sample_of_bytes
from ai_runner.edge_impulse.ingestion.journal import ACKNOWLEDGED, REFUSED, UNKNOWN, Journal
from ai_runner.edge_impulse.secret import Secret
from ai_runner.errors import InvalidParamError

KEY = Secret("ei_0123456789abcdef", "API key")
ADDRESS = "https://h.example"
A = sample_of_bytes("a.txt", b"1", label="x")
B = sample_of_bytes("b.txt", b"2")


def journal(path: Path, address: str = ADDRESS, key: Secret = KEY) -> Journal:
    return Journal(path, address, key)


def written(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    with journal(path) as notes:
        notes.note([A], ACKNOWLEDGED)
        notes.note([B], UNKNOWN)
    return path


def test_what_is_noted_is_known_later(tmp_path: Path) -> None:
    path = written(tmp_path)
    with journal(path) as notes:
        assert (notes.state(A), notes.state(B)) == (ACKNOWLEDGED, UNKNOWN)
        notes.note([B], REFUSED)
    with journal(path) as notes:
        assert notes.state(B) == REFUSED
    content = path.read_text()
    assert len(content.splitlines()) == 4
    assert KEY.reveal() not in content


def test_a_sample_is_known_by_content_category_label_and_name(tmp_path: Path) -> None:
    with journal(written(tmp_path)) as notes:
        for other in (
            sample_of_bytes("a.txt", b"3", label="x"),
            sample_of_bytes("a.txt", b"1", label="y"),
            sample_of_bytes("c.txt", b"1", label="x"),
            sample_of_bytes("a.txt", b"1", label="x", category="testing"),
        ):
            assert notes.state(other) is None


def test_every_place_to_crash(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    for length in (*range(0, len(content), 6), len(content)):
        path = tmp_path / "cut"
        path.write_bytes(content[:length])
        lines = content[:length].count(b"\n")
        with journal(path) as notes:
            assert notes.state(A) == (ACKNOWLEDGED if lines >= 2 else None)
            assert notes.state(B) == (UNKNOWN if lines >= 3 else None)
            notes.note([B], ACKNOWLEDGED)
        with journal(path) as notes:
            assert notes.state(B) == ACKNOWLEDGED


def test_another_project_s_journal_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    for address, key in ((ADDRESS, Secret("ei_another")), ("https://other.example", KEY)):
        with pytest.raises(InvalidParamError, match="another API key or to another address"):
            journal(path, address, key)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"nonsense", b'{"state": "acknowledged"}', b'{"state": []}', b"[" * 99_999, b"\xff"]
)
def test_a_line_that_is_none(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InvalidParamError, match="journal:4: is no line of a journal"):
        journal(path)


def test_a_file_that_is_no_journal_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text("Chapter 1\n")
    with pytest.raises(InvalidParamError, match="is no journal"):
        journal(path)
    assert path.read_text() == "Chapter 1\n"


def test_a_file_of_one_line_without_its_end_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("do not lose this")
    with pytest.raises(InvalidParamError, match="is no journal"):
        journal(path)
    assert path.read_text() == "do not lose this"


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "journal"):
        with pytest.raises(InvalidParamError, match="cannot be used"):
            journal(path)


def test_one_that_says_nothing_is_not_left(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with journal(path):
        assert path.exists()
    assert not path.exists()


def test_it_can_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal"
    with journal(path) as notes:
        notes.remove()
    assert not path.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100))
def test_random_bytes_are_a_journal_or_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    try:
        journal(path).close()
    except InvalidParamError:
        assert path.read_bytes() == content
