"""Replies of every kind of model as arrays."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.errors import InvalidMsgError
from ai_runner.impulse.description import model_info, stage_nodes
from ai_runner.impulse.hello import Hello, SharedBlock
from ai_runner.impulse.result import BOX, MAX_BOXES, TRACE, ResultReader, output_tensors
from ai_runner.model import DeviceInfo

CLASSIFIER = Hello(features=4, labels=("b", "a", "b"))
DETECTOR = Hello(features=4, labels=("cup", "pen"), model_type="constrained_object_detection")
TRACKER = Hello(features=4, labels=("cup", "pen"), model_type="object_detection", has_object_tracking=True)
VISUAL = Hello(features=4, labels=("anomaly", "ok"), anomaly=3)
K_MEANS = Hello(features=4, labels=("idle",), anomaly=1)
ANOMALY_ONLY = Hello(features=4, anomaly=2)
FREEFORM = Hello(features=4, model_type="freeform", freeform_shm=(SharedBlock("/a", 2), SharedBlock("/b", 3)))
KINDS = [CLASSIFIER, DETECTOR, TRACKER, VISUAL, K_MEANS, ANOMALY_ONLY, FREEFORM]


def read(hello: Hello, result: dict[str, Any]) -> dict[str, Any]:
    """The outputs by name, of the one sample; boxes cut at their count and as tuples."""
    tensors = output_tensors(hello)
    reader = ResultReader(tensors)
    outputs = reader.empty(2)
    reader.read(result, outputs, 1)
    assert all(not output[0].tobytes().strip(b"\0") for output in outputs)
    found: dict[str, Any] = {}
    for tensor, output in zip(tensors, outputs, strict=True):
        assert output.shape == (2, *tensor.sample_shape)
        assert output.dtype == tensor.dtype
        found[tensor.name] = output[1] if output.shape[1:] != (1,) else output[1].item()
    for name in [name for name in found if name + "_count" in found]:
        found[name] = [tuple(entry) for entry in found[name][: found[name + "_count"]].tolist()]
    return found


def box(label: str = "pen", value: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"label": label, "value": value, "x": 8, "y": 16, "width": 24, "height": 32, **more}


def test_classes_come_in_the_order_of_the_labels() -> None:
    found = read(CLASSIFIER, {"classification": {"a": 0.25, "b": 1, "other": 3}})
    np.testing.assert_array_equal(found["classification"], np.array([1, 0.25, 1], np.float32))
    assert output_tensors(CLASSIFIER)[0].labels == ("b", "a", "b")


def test_boxes() -> None:
    found = read(DETECTOR, {"bounding_boxes": [box(), box("cup", 1), box("else", None, x=None)]})
    assert found["bounding_boxes_count"] == 3
    assert found["bounding_boxes"][:2] == [(1, 0.5, 8, 16, 24, 32), (0, 1.0, 8, 16, 24, 32)]
    label, value, x, *_ = found["bounding_boxes"][2]
    assert (label, x) == (-1, -1)
    assert np.isnan(value)
    assert read(DETECTOR, {"bounding_boxes": []})["bounding_boxes"] == []


def test_more_boxes_than_fit_are_counted() -> None:
    tensors = output_tensors(DETECTOR)
    outputs = ResultReader(tensors).empty(1)
    ResultReader(tensors).read({"bounding_boxes": [box()] * (MAX_BOXES + 5)}, outputs, 0)
    assert outputs[1].item() == MAX_BOXES + 5
    assert (outputs[0]["value"] == 0.5).all()


def test_boxes_beside_classes_and_either_alone() -> None:
    both = {"bounding_boxes": [box()], "classification": {"cup": 1}}
    assert read(DETECTOR, both)["bounding_boxes_count"] == 1
    assert read(DETECTOR, {"classification": {"cup": 1}})["bounding_boxes_count"] == 0


def test_tracking() -> None:
    found = read(TRACKER, {"bounding_boxes": [box()], "object_tracking": [box(object_id=7)]})
    assert found["object_tracking"] == [(1, 0.5, 8, 16, 24, 32, 7)]
    early_2025 = read(TRACKER, {"bounding_boxes": [box(object_id=9), box()]})
    assert early_2025["object_tracking"] == [(1, 0.5, 8, 16, 24, 32, 9)]
    assert early_2025["bounding_boxes_count"] == 2


@pytest.mark.parametrize("nested", [False, True])
def test_visual_anomaly(nested: bool) -> None:
    cell = {"value": 7.5, "x": 0, "y": 8, "width": 8, "height": 8}
    fields = {"visual_anomaly_grid": [cell], "visual_anomaly_max": 7.5, "visual_anomaly_mean": 2, "anomaly": 7.5}
    found = read(VISUAL, {"visual_anomaly": fields} if nested else fields)
    assert found["visual_anomaly_grid"] == [(-1, 7.5, 0, 8, 8, 8)]
    assert (found["visual_anomaly_max"], found["visual_anomaly_mean"], found["anomaly"]) == (7.5, 2.0, 7.5)
    assert np.isnan(found["classification"]).all()


def test_anomaly_beside_classes_and_null() -> None:
    found = read(K_MEANS, {"classification": {"idle": None}, "anomaly": -0.5})
    assert np.isnan(found["classification"])
    assert found["anomaly"] == -0.5
    assert read(ANOMALY_ONLY, {"anomaly": 3})["anomaly"] == 3.0


def test_freeform() -> None:
    found = read(FREEFORM, {"freeform": [[1, None], np.array([3, 4, 5], np.float32)]})
    np.testing.assert_array_equal(found["freeform_0"], [1, np.nan])
    np.testing.assert_array_equal(found["freeform_1"], [3, 4, 5])
    learned = output_tensors(Hello(model_type="freeform"), [7])
    assert [(tensor.name, tensor.shape) for tensor in learned] == [("freeform_0", (1, 7))]


def test_a_number_beyond_float32_is_infinite() -> None:
    assert read(ANOMALY_ONLY, {"anomaly": 1e300})["anomaly"] == np.inf


@pytest.mark.parametrize(
    ("hello", "result"),
    [
        (CLASSIFIER, {}),
        (CLASSIFIER, {"bounding_boxes": []}),
        (CLASSIFIER, {"classification": {"a": 1}}),
        (CLASSIFIER, {"classification": {"a": "1", "b": 2}}),
        (CLASSIFIER, {"classification": {"a": True, "b": 2}}),
        (CLASSIFIER, {"classification": {"a": 10**400, "b": 2}}),
        (CLASSIFIER, {"classification": [1, 2]}),
        (CLASSIFIER, {"classification": "ab"}),
        (DETECTOR, {"bounding_boxes": {}}),
        (DETECTOR, {"bounding_boxes": [1]}),
        (DETECTOR, {"bounding_boxes": [box(x=0.5)]}),
        (DETECTOR, {"bounding_boxes": [box(x=1 << 31)]}),
        (DETECTOR, {"bounding_boxes": [box(value="high")]}),
        (FREEFORM, {"freeform": [[1, 2]]}),
        (FREEFORM, {"freeform": [[1, 2, 3], [1, 2]]}),
        (FREEFORM, {"freeform": "shm"}),
        (ANOMALY_ONLY, {"anomaly": "x"}),
    ],
    ids=str,
)
def test_what_is_no_result(hello: Hello, result: dict[str, Any]) -> None:
    with pytest.raises(InvalidMsgError):
        read(hello, result)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "b", "cup"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "label", "value", "x", "y", "width", "height"]), inner, max_size=6)
    ),
    max_leaves=8,
)
FIELDS = [tensor.name.split("_count")[0] for hello in KINDS for tensor in output_tensors(hello)] + ["freeform"]


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from([*FIELDS, "visual_anomaly"]), JSON, max_size=4))
def test_anything_is_a_result_or_an_error(hello: Hello, result: dict[str, Any]) -> None:
    tensors = output_tensors(hello)
    reader = ResultReader(tensors)
    with contextlib.suppress(InvalidMsgError):
        reader.read(result, reader.empty(1), 0)


def test_a_hello_without_any_output() -> None:
    with pytest.raises(InvalidMsgError):
        output_tensors(Hello())


def test_model_info() -> None:
    device = DeviceInfo("HOST", "this host", "")
    info = model_info(Hello(features=9, labels=("x",), anomaly=1, project_name="p\nq"), "m", "by hand", device)
    assert [(t.name, t.shape, t.dtype.name) for t in info.inputs] == [("features", (1, 9), "float32")]
    assert [tensor.name for tensor in info.outputs] == ["classification", "anomaly"]
    assert info.n_nodes == len(stage_nodes(Hello(anomaly=1))) == 3
    assert info.runtime.attributes["project"] == "p q"
    assert info.to_dict()["outputs"][0]["shape"] == (1, 1)


def test_a_detectors_info_has_the_old_dictionary_too() -> None:
    info = model_info(TRACKER, "m", "by hand", DeviceInfo("HOST", "this host", ""))
    shapes = {tensor["name"]: tensor["shape"] for tensor in info.to_dict()["outputs"]}
    assert shapes["object_tracking"] == (1, MAX_BOXES)
    assert [tensor.dtype for tensor in info.outputs[::2]] == [BOX, TRACE]


def test_a_score_beyond_float32_is_infinite() -> None:
    assert read(DETECTOR, {"bounding_boxes": [box(value=-1e300)]})["bounding_boxes"][0][1] == -np.inf
    with pytest.raises(InvalidMsgError, match="too large"):
        read(DETECTOR, {"bounding_boxes": [box(value=10**400)]})
