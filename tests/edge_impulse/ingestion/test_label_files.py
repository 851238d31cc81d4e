from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.edge_impulse.ingestion import read_label_file, sample_of_bytes, sample_of_file
from ai_runner.edge_impulse.ingestion.label_files import KINDS
from ai_runner.errors import InvalidParamError

BOX = {"label": "cat", "x": 0, "y": 1.5, "width": 2, "height": 3}


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "some.labels"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def boxes(entry: Any) -> dict[str, Any]:
    return {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.jpg": entry}}


def structured(*parts: Any) -> dict[str, Any]:
    return {"version": 1, "type": "structured-labels", "structuredLabels": {"a.csv": list(parts)}}


def part(start: Any, end: Any, label: Any = "idle", **more: Any) -> dict[str, Any]:
    return {"startIndex": start, "endIndex": end, "label": label, **more}


def label_map(entry: Any) -> dict[str, Any]:
    return {"version": 1, "type": "label-map-labels", "labels": {"a.csv": entry}}


def attachments(entry: Any) -> dict[str, Any]:
    return {"version": 1, "type": "attachments", "attachments": {"a.csv": entry}}


@pytest.mark.parametrize(
    "content",
    [
        boxes([BOX, BOX]),
        boxes([]),
        structured(part(0, 9), part(10, 12, "snake")),
        structured(part(3, 9, labelMap={"who": "me"}), part(10, 12, labelMap={"who": "you"})),
        label_map({"who": "me", "where": "here"}),
        attachments([{"filename": "b.txt"}]),
    ],
)
def test_what_is_read_is_what_is_sent(tmp_path: Path, content: dict[str, Any]) -> None:
    file = read_label_file(write(tmp_path, content))
    [name] = file.entries
    sent = file.part_for([name, "another.jpg"])
    assert sent is not None
    assert json.loads(sent) == content
    assert file.part_for(["another.jpg"]) is None
    assert len({kind.file_name for kind in KINDS}) == 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON: Expecting property name enclosed in double quotes, line 1, column 2"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is no JSON"),
        ("[]", "version is not 1"),
        ("[" * 100_000, "is no JSON"),
        ({"version": True, "type": "attachments"}, "version is not 1"),
        ({"version": 1, "type": "cats"}, "type is 'cats'"),
        ({"version": 1, "type": ["x"]}, "type is a list of 1"),
        ({"version": 1, "type": "attachments"}, "attachments is None"),
        (boxes({}), "boundingBoxes['a.jpg'] is a dict of 0, expected a list"),
        (boxes([BOX, 3]), "boundingBoxes['a.jpg'][1]: is 3"),
        (boxes([{**BOX, "label": ""}]), "[0]: is a dict of 5"),
        (boxes([{**BOX, "width": 0}]), "[0]: width is 0, expected pixels above 0"),
        (boxes([{**BOX, "height": -1}]), "height is -1"),
        (boxes([{**BOX, "height": True}]), "height is True"),
        (boxes([{**BOX, "x": float("nan")}]), "x is nan"),
        (boxes([{**BOX, "y": "1"}]), "y is '1'"),
        (boxes([{**BOX, "more": float("inf")}]), "holds NaN or an infinity"),
        (structured(3), "structuredLabels['a.csv'][0]: is 3"),
        (structured(part(0, 0)), "endIndex is 0, expected more than startIndex, 0"),
        (structured(part(0, 9), part(11, 12)), "[1]: startIndex is 11, expected 10"),
        (structured(part(0, 9), part(9, 12)), "[1]: startIndex is 9, expected 10"),
        (structured(part(-1, 9)), "startIndex is -1"),
        (structured(part(0, 9.0)), "endIndex is 9.0"),
        (structured(part(0, True)), "endIndex is True"),
        (structured(part(0, 9, None)), "is a dict of 3"),
        (structured(part(0, 9, labelMap={"a": 1})), "labelMap: 'a' is 1, expected text"),
        (structured(part(0, 9, labelMap=[])), "labelMap: is a list of 0"),
        (structured(part(0, 9, labelMap={"a": "1"}), part(10, 12)), "[1]: labelMap has other keys"),
        (label_map([]), "labels['a.csv']: is a list of 0"),
        (label_map({"a": None}), "'a' is None, expected text"),
        (attachments([{"filename": "../key"}]), "is no plain name"),
        (attachments([{"filename": "/etc/passwd"}]), "is no plain name"),
        (attachments([{"filename": "a\\b"}]), "is no plain name"),
        (attachments([{"filename": "C:x"}]), "is no plain name"),
        (attachments([{"filename": ".."}]), "is no plain name"),
        (attachments([{}]), "expected filename"),
    ],
)
def test_label_files_that_are_none(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(InvalidParamError) as info:
        read_label_file(write(tmp_path, content))
    assert says in info.value.message
    assert info.value.message.startswith(str(tmp_path / "some.labels"))
    assert "\n" not in info.value.message


def test_a_link_is_no_attachment(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to("/etc/hostname")
    with pytest.raises(InvalidParamError, match="link to another place"):
        read_label_file(write(tmp_path, attachments([{"filename": "link.txt"}])))


def test_no_such_label_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be read"):
        read_label_file(tmp_path / "none.labels")


def test_ranges_lie_within_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,x\n0,1\n10,2\n20,3\n")
    sample = sample_of_file(tmp_path / "a.csv")
    read_label_file(write(tmp_path, structured(part(0, 2)))).check_against([sample])
    wrong = read_label_file(write(tmp_path, structured(part(0, 1), part(2, 3))))
    with pytest.raises(InvalidParamError, match=r"\[1\]: endIndex is 3, the file has 3 values"):
        wrong.check_against([sample])
    wrong.check_against([sample_of_bytes("a.csv", b"elsewhere", values=1)])


def test_an_attachment_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    file = read_label_file(write(tmp_path, attachments([{"filename": "b.txt"}])))
    with pytest.raises(InvalidParamError, match=r"attachment 'b.txt' of 'a.csv' is missing"):
        file.check_against([sample_of_file(tmp_path / "a.csv")])


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), value=json_values, inner=st.booleans())
def test_any_json_is_labels_or_an_error(tmp_path: Path, kind: Any, value: Any, inner: bool) -> None:
    entries = {"a.jpg": [value]} if inner else value
    with suppress(InvalidParamError):
        file = read_label_file(write(tmp_path, {"version": 1, "type": kind.type, kind.field: entries}))
        file.part_for(["a.jpg"])
