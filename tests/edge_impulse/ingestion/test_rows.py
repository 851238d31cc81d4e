from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ai_runner.edge_impulse.ingestion import RowSettings, samples_of_rows
from ai_runner.errors import InvalidParamError

PNG, JPEG = b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff\xe0..."
INPUTS = np.arange(12, dtype=np.float32).reshape(2, 6)


def made(arrays: dict[str, Any], **settings: Any) -> list[Any]:
    return samples_of_rows(
        {name: np.asarray(array) for name, array in arrays.items()}, "f.npz", "f", RowSettings(**settings)
    )


def payload(sample: Any) -> Any:
    return json.loads(sample.content)["payload"]


def test_rows_become_samples() -> None:
    samples = made(
        {"inputs": INPUTS, "labels": ["a", "b"], "reasons": ["r", ""], "interval_ms": 10.0, "sensors": ["x:m", "y"]}
    )
    assert [(s.name, s.label, dict(s.metadata)) for s in samples] == [
        ("f.0.json", "a", {"reason": "r"}),
        ("f.1.json", "b", {}),
    ]
    assert payload(samples[1])["values"] == [[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]
    assert payload(samples[1])["sensors"] == [{"name": "x", "units": "m"}, {"name": "y", "units": ""}]
    assert payload(samples[1])["interval_ms"] == 10
    assert samples[0].values == 3


@pytest.mark.parametrize(
    ("shape", "columns", "rows"), [((6,), 1, 6), ((3, 2), 2, 3), ((2, 3, 1), 1, 6), ((6, 1), 1, 6)]
)
def test_columns_without_names(shape: tuple[int, ...], columns: int, rows: int) -> None:
    [first, _] = made({"m_inputs_1": INPUTS.reshape(2, *shape)}, interval_ms=1)
    assert len(payload(first)["sensors"]) == columns
    assert len(payload(first)["values"]) == rows
    assert np.ravel(payload(first)["values"]).tolist() == INPUTS[0].tolist()
    assert first.label == "", "the file's name is no label"


def test_what_is_given_wins() -> None:
    arrays = {"inputs": INPUTS, "labels": [1, 0], "interval_ms": 5}
    assert [s.label for s in made(arrays)] == ["1", "0"]
    assert [s.label for s in made(arrays, class_names=["no", "yes"])] == ["yes", "no"]
    assert [s.label for s in made(arrays, label="all")] == ["all", "all"]
    [one] = made(arrays, interval_ms=2.5, indices=[1], reason="why", metadata={"k": "v"}, sensors=["x", "y"])
    assert one.name == "f.1.json"
    assert one.metadata == {"k": "v", "reason": "why"}
    assert payload(one)["interval_ms"] == 2.5


def joined(*images: bytes) -> dict[str, Any]:
    return {
        "images": np.frombuffer(b"".join(images), np.uint8),
        "image_ends": np.cumsum([len(image) for image in images]),
    }


def test_images_are_sent_as_they_are() -> None:
    samples = made({"inputs": INPUTS, "labels": ["a", "b"], "reasons": ["r", "s"], **joined(PNG, JPEG)}, indices=[1, 0])
    assert [(s.name, s.content, s.label, s.metadata["reason"]) for s in samples] == [
        ("f.1.jpg", JPEG, "b", "s"),
        ("f.0.png", PNG, "a", "r"),
    ]


@pytest.mark.parametrize(
    ("arrays", "settings", "says"),
    [
        ({"x": INPUTS}, {}, "no array 'inputs' or 'm_inputs_1'"),
        ({"m_inputs_1": INPUTS, "m_inputs_2": INPUTS}, {}, "several"),
        ({"inputs": INPUTS[0]}, {}, "expected numbers [samples, ...]"),
        ({"inputs": INPUTS[:0]}, {}, "expected numbers"),
        ({"inputs": [["a"]]}, {}, "expected numbers"),
        ({"inputs": [[1.0, np.nan]]}, {}, "row 0 of the inputs holds NaN"),
        ({"inputs": INPUTS, "labels": [1]}, {}, "'labels' has shape [1], expected [2]"),
        ({"inputs": INPUTS, "labels": [[1], [2]]}, {}, "'labels' has shape [2, 1]"),
        ({"inputs": INPUTS, "labels": [1.0, 2.0]}, {}, "'labels' is float64, expected text"),
        ({"inputs": INPUTS, "labels": [1, 2]}, {"class_names": ["a", "b"]}, "labels[1] is 2, there are 2 classes"),
        ({"inputs": INPUTS, "labels": [-1, 0]}, {"class_names": ["a", "b"]}, "labels[0] is -1"),
        ({"inputs": INPUTS, "reasons": ["a"]}, {}, "'reasons' has shape [1]"),
        ({"inputs": INPUTS, "reasons": [1, 2]}, {}, "'reasons' is int64, expected text"),
        ({"inputs": INPUTS, "sensors": ["a", "b", "c", "d"]}, {}, "6 numbers, which 4 sensors do not share evenly"),
        ({"inputs": INPUTS, "sensors": [["a", "b"]]}, {}, "'sensors' has shape [1, 2]"),
        ({"inputs": INPUTS, "interval_ms": "x"}, {"interval_ms": None}, "'interval_ms' is str"),
        ({"inputs": INPUTS, "interval_ms": [1, 2]}, {"interval_ms": None}, "expected a number"),
        ({"inputs": INPUTS, "interval_ms": np.nan}, {"interval_ms": None}, "interval_ms is nan"),
        ({"inputs": INPUTS}, {"interval_ms": None}, "how many milliseconds"),
        ({"inputs": INPUTS}, {"indices": [2]}, "there is no row 2, there are 2"),
        ({"inputs": INPUTS}, {"indices": [-1]}, "there is no row -1"),
        ({"inputs": INPUTS, "images": joined(PNG)["images"]}, {}, "'image_ends' has shape [0], expected [2]"),
        ({"inputs": INPUTS, **joined(PNG)}, {}, "'image_ends' has shape [1]"),
        ({"inputs": INPUTS, **joined(PNG, PNG), "image_ends": [4, 5]}, {}, "'images' and 'image_ends' do not fit"),
        ({"inputs": INPUTS, **joined(PNG, b"")}, {}, "image 1 is neither PNG nor JPEG"),
        ({"inputs": INPUTS, **joined(b"GIF89a", PNG)}, {}, "image 0 is neither PNG nor JPEG"),
        ({"inputs": INPUTS, "images": [1.5], "image_ends": [0, 1]}, {}, "do not fit"),
        ({"inputs": INPUTS, **joined(PNG, PNG), "image_ends": [99, 2 * len(PNG)]}, {}, "image 1 is neither"),
        ({"inputs": INPUTS, **joined(PNG, PNG), "image_ends": [-3, 2 * len(PNG)]}, {}, "image 0 is neither"),
    ],
)
def test_arrays_that_do_not_fit(arrays: dict[str, Any], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParamError) as info:
        made(arrays, **({"interval_ms": 1.0} | settings))
    assert says in info.value.message
    assert info.value.message.startswith("f.npz: ")
