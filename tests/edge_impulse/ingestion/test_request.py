from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.edge_impulse.ingestion import sample_of_bytes
from ai_runner.edge_impulse.ingestion.request import Batch, Body, batches, headers, uri_component
from ai_runner.errors import InvalidParamError

# What encodeURIComponent leaves as it is, as ECMA-262 lists it.
UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_labels_are_encoded_as_by_encode_uri_component(text: str) -> None:
    encoded = uri_component(text, "label")
    assert unquote(encoded, errors="strict") == text
    kept = [c for c in text if c in UNRESERVED]
    assert len(encoded) == len(kept) + 3 * (len(text.encode()) - len(kept))
    assert encoded.isascii()


def test_known_encodings() -> None:
    assert uri_component("a b/ü;%~*'()!", "label") == "a%20b%2F%C3%BC%3B%25~*'()!"
    with pytest.raises(InvalidParamError, match="no Unicode text"):
        uri_component("\udc80", "label")


@given(label=st.text(max_size=50), metadata=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=4))
def test_headers_hold_no_control_characters(label: str, metadata: dict[str, str]) -> None:
    sample = sample_of_bytes("a.txt", b"1", label=label, metadata=metadata)
    try:
        found = headers(sample, source="x")
    except InvalidParamError:
        assert any(0xD800 <= ord(c) < 0xE000 for c in label)
        return
    assert all(value.isascii() and value.isprintable() for value in found.values())


def test_too_much_for_a_header() -> None:
    sample = sample_of_bytes("a.txt", b"1", metadata={"k": "v" * 9000})
    with pytest.raises(InvalidParamError, match=r"the metadata of 'a\.txt' takes"):
        headers(sample, source="x")


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.binary(max_size=50)),
        min_size=1,
        max_size=5,
    )
)
def test_the_length_of_a_body_is_known_before(files: list[tuple[str, bytes]]) -> None:
    body = Body(Batch([sample_of_bytes(name, content) for name, content in files]))
    assert not body.is_complete
    content = b"".join(body)
    assert body.is_complete
    assert len(content) == body.length
    boundary = body.content_type.partition("boundary=")[2].encode()
    assert content.count(b"--" + boundary) == len(files) + 1
    assert content.endswith(b"\r\n--" + boundary + b"--\r\n")


def test_a_body_is_complete_only_with_its_end() -> None:
    body = Body(Batch([sample_of_bytes("a", b"1")]))
    blocks = iter(body)
    for _ in range(3):
        next(blocks)
        assert not body.is_complete
    next(blocks)
    assert body.is_complete


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(InvalidParamError, match=r"no UTF-8"):
        Body(Batch([sample_of_bytes("a\udcff.txt", b"1")]))


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["training", "testing"]), st.sampled_from([None, "", "x"])),
        max_size=30,
    ),
    st.integers(1, 10),
)
def test_batches_hold_every_sample_once(many: list[Any], max_bytes: int) -> None:
    samples = [
        sample_of_bytes(name, b"%d" % i, category=category, label=label)
        for i, (name, category, label) in enumerate(many)
    ]
    made = batches(samples, [], max_bytes)
    sent = [id(sample) for batch in made for sample in batch.samples]
    assert sorted(sent) == sorted(map(id, samples))
    for batch in made:
        assert len({(s.category, s.label) for s in batch.samples}) == 1
        assert len({s.name for s in batch.samples}) == len(batch.samples)
        assert len(batch.samples) == 1 or sum(s.size for s in batch.samples) <= max_bytes


def test_an_attachment_that_is_a_sample_too(tmp_path: Path) -> None:
    from ai_runner.edge_impulse.ingestion import read_label_file, sample_of_file

    labels = tmp_path / "attachments.labels"
    labels.write_text('{"version": 1, "type": "attachments", "attachments": {"a.txt": [{"filename": "b.txt"}]}}')
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    files = [sample_of_file(tmp_path / name) for name in ("a.txt", "b.txt")]
    made = batches(files, [read_label_file(labels)], 100)
    assert [[part.name for part in batch.parts] for batch in made] == [
        ["a.txt", "attachments.labels", "b.txt"],
        ["b.txt"],
    ]
