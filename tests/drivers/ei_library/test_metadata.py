"""Metadata files: what they have to tell, and what is no metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.drivers.ei_library.metadata import Metadata, read_metadata
from ai_runner.errors import InvalidParamError

LAYOUT = {"has_visual_anomaly": False, "has_postprocessing_time": True}
PARAMETERS: dict[str, Any] = {"input_features_count": 16, "labels": ["a", "b"], "has_anomaly": 0}


def write(folder: Path, content: object) -> str:
    path = folder / "metadata.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return str(path)


def test_what_an_eim_prints_with_a_layout(tmp_path: Path) -> None:
    file = write(tmp_path, {"id": 1, "success": True, "model_parameters": PARAMETERS, "result_layout": LAYOUT})
    found = read_metadata(file)
    assert found.hello.labels == ("a", "b")
    assert (found.layout.labels, found.layout.has_visual_anomaly, found.layout.has_postprocessing_time) == (
        2,
        False,
        True,
    )
    assert found.reply == {"model_parameters": PARAMETERS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "is no JSON"),
        ("[1]", "is no JSON object"),
        ("[" * 100_000, "nested too deeply|is no JSON"),
        ({"model_parameters": PARAMETERS}, "tells no layout"),
        ({"model_parameters": PARAMETERS, "result_layout": {"has_visual_anomaly": False}}, "tells no layout"),
        ({"model_parameters": PARAMETERS, "result_layout": {**LAYOUT, "has_visual_anomaly": 1}}, "tells no layout"),
        ({"result_layout": LAYOUT}, "input_features_count"),
        ({"model_parameters": {**PARAMETERS, "labels": "a"}, "result_layout": LAYOUT}, "labels is 'a'"),
        ({"model_parameters": {**PARAMETERS, "has_anomaly": 3}, "result_layout": LAYOUT}, "a visual anomaly model"),
    ],
)
def test_what_is_no_metadata(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match=message) as caught:
        read_metadata(write(tmp_path, content))
    assert "metadata.json" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot be read"):
        read_metadata(str(tmp_path / "missing.json"))
    with pytest.raises(InvalidParamError, match="cannot be read"):
        read_metadata(str(tmp_path))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parameters=st.dictionaries(st.sampled_from([*PARAMETERS, "thresholds", "model_type", "sensor"]), ANYTHING),
    layout=st.dictionaries(st.sampled_from([*LAYOUT]), ANYTHING) | ANYTHING,
)
def test_any_json_is_metadata_or_a_typed_error(parameters: dict[str, Any], layout: Any, tmp_path: Path) -> None:
    content = {"model_parameters": {**PARAMETERS, **parameters}, "result_layout": layout}
    try:
        found = read_metadata(write(tmp_path, content))
    except InvalidParamError:
        return
    assert isinstance(found, Metadata)
