"""Libraries with nothing but the `ei_ffi_*` functions, whose results are read by their layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.driver import Driver
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import Mode

OpenDriver = Callable[..., Driver]
Library = Callable[..., Path]
IMAGES = np.zeros((3, 16), np.float32)
IMAGES[0, [1, 6, 12]] = 0.75, 0.5, 0.25
IMAGES[2, 15] = 1


def test_without_metadata_it_is_refused_with_the_reason(ffi_library: Library, open_driver: OpenDriver) -> None:
    with pytest.raises(InvalidModelError, match="neither labels nor the layout") as caught:
        open_driver(ffi_library())
    assert "?metadata=FILE" in caught.value.hint
    assert "ei_ffi_run_classifier" in caught.value.evidence["exports"]


@pytest.mark.parametrize(
    ("kind", "sdk"),
    [
        *[("classifier", sdk) for sdk in (2025, 2026)],
        *[("anomaly", sdk) for sdk in (2025, 2026)],
        *[("fomo", sdk) for sdk in (2025, 2026)],
        *[("visual_anomaly", sdk) for sdk in (2025, 2026)],
        ("freeform", 2026),
    ],
)
def test_it_gives_what_its_twin_gives(
    kind: str, sdk: int, ffi_library: Library, stub_library: Library, metadata: Library, open_driver: OpenDriver
) -> None:
    twin = open_driver(stub_library(kind, sdk))
    driver = open_driver(ffi_library(kind, sdk), f"?metadata={metadata(kind, sdk)}")
    ours, theirs = (d.invoke(d.names()[0], [IMAGES], Mode.PER_LAYER) for d in (driver, twin))
    assert [t.name for t in driver.info(driver.names()[0]).outputs] == [
        t.name for t in twin.info(twin.names()[0]).outputs
    ]
    for a, b in zip(ours.outputs, theirs.outputs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    assert [list(node.durations) for node in ours.nodes] == [list(node.durations) for node in theirs.nodes]
    assert driver.extension(None, cmd="hello") == twin.extension(None, cmd="hello")
    for features in IMAGES:
        reply = driver.extension(None, cmd="classify", features=features)
        assert reply == twin.extension(None, cmd="classify", features=features)


def test_tracking_is_read_through_the_wrappers_functions(
    ffi_library: Library, stub_library: Library, metadata: Library, open_driver: OpenDriver
) -> None:
    twin = open_driver(stub_library("tracking"))
    driver = open_driver(ffi_library("tracking"), f"?metadata={metadata('tracking')}")
    ours, theirs = (d.invoke(d.names()[0], [IMAGES]).outputs for d in (driver, twin))
    for field in ("value", "x", "y", "width", "height", "object_id"):
        np.testing.assert_array_equal(ours[2][field], theirs[2][field])
    assert ours[2]["label"][0, :2].tolist() == [-1, -1]  # the wrapper tells none, and there are two
    driver.extension(None, cmd="set_threshold", threshold={"id": 8, "keep_grace": 50})
    traces = driver.invoke(driver.names()[0], [IMAGES[:1]]).outputs[2]
    assert traces["object_id"][0, 0] % 100 == 50


def test_continuous_and_reset(ffi_library: Library, metadata: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(ffi_library(), f"?metadata={metadata()}")
    slices = [driver.extension(None, cmd="classify_continuous", features=[1, 2, 3, 4]) for _ in range(4)]
    values = [list(reply["result"]["classification"].values()) for reply in slices]
    assert values == [[0.0] * 3] * 3 + [[4.0, 7.0, 10.0]]
    driver.extension(None, cmd="reset")
    reply = driver.extension(None, cmd="classify_continuous", features=[1, 2, 3, 4])
    assert set(reply["result"]["classification"].values()) == {0.0}


def test_the_threshold_that_has_an_effect(ffi_library: Library, metadata: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(ffi_library("visual_anomaly"), f"?metadata={metadata('visual_anomaly')}")
    driver.extension(None, cmd="set_threshold", threshold={"id": 4, "min_anomaly_score": 0.7})
    counts = driver.invoke(driver.names()[0], [IMAGES]).outputs[1]
    assert counts.tolist() == [[1], [0], [1]]
    (threshold,) = driver.extension(None, cmd="hello")["model_parameters"]["thresholds"]
    assert threshold["min_anomaly_score"] == pytest.approx(0.7)
    with pytest.raises(InvalidParamError, match="no such block"):
        driver.extension(None, cmd="set_threshold", threshold={"id": 99, "min_anomaly_score": 0.7})


def test_thresholds_without_effect_are_refused(
    ffi_library: Library, metadata: Library, open_driver: OpenDriver
) -> None:
    driver = open_driver(ffi_library("tracking"), f"?metadata={metadata('tracking')}")
    for threshold in ({"id": 4, "min_score": 0.9}, {"id": 4, "keep_grace": 3}, {"id": 8, "unknown": 3}):
        with pytest.raises(InvalidParamError, match="cannot be set through ei_ffi_ functions"):
            driver.extension(None, cmd="set_threshold", threshold=threshold)


@pytest.mark.parametrize(
    ("kind", "sdk", "layout", "fields"),
    [
        ("classifier", 2026, {"has_postprocessing_time": False}, {}),
        ("classifier", 2025, {"has_postprocessing_time": True}, {}),
        ("classifier", 2026, {}, {"labels": ["a", "b"]}),
        ("classifier", 2026, {}, {"labels": list("abcdef")}),
    ],
)
def test_a_layout_that_is_wrong_is_noticed(
    kind: str,
    sdk: int,
    layout: dict[str, bool],
    fields: dict[str, Any],
    ffi_library: Library,
    metadata: Library,
    open_driver: OpenDriver,
) -> None:
    driver = open_driver(ffi_library(kind, sdk), f"?metadata={metadata(kind, sdk, layout, **fields)}")
    with pytest.raises(InvalidModelError, match="not laid out as the metadata says"):
        driver.invoke(driver.names()[0], [IMAGES])


def test_errors_of_the_library_are_typed(ffi_library: Library, metadata: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(ffi_library(), f"?metadata={metadata()}")
    with pytest.raises(InvalidModelError, match=r"error of TensorFlow Lite \(-3\)"):
        driver.invoke(driver.names()[0], [np.full((1, 16), 666, np.float32)])


@pytest.mark.parametrize("fields", [{"model_type": "freeform"}, {"has_object_tracking": True}])
def test_functions_that_the_model_needs_are_missed(
    fields: dict[str, Any], ffi_library: Library, metadata: Library, open_driver: OpenDriver
) -> None:
    with pytest.raises(InvalidModelError, match="and no ei_ffi_"):
        open_driver(ffi_library("fomo"), f"?metadata={metadata('fomo', **fields)}")


def test_metadata_for_a_library_that_describes_itself(
    stub_library: Library, metadata: Library, open_driver: OpenDriver
) -> None:
    with pytest.raises(InvalidParamError, match="describes its model itself"):
        open_driver(stub_library(), f"?metadata={metadata()}")


def test_it_can_be_isolated(ffi_library: Library, metadata: Library, open_driver: OpenDriver) -> None:
    driver = open_driver(ffi_library("fomo"), f"?isolate=process&metadata={metadata('fomo')}")
    assert driver.invoke(driver.names()[0], [IMAGES]).outputs[1].tolist() == [[2], [0], [1]]
