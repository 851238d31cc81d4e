"""Offsets of the SDK's result structure, as measured on real libraries and as a compiler lays out the declaration."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int64, c_uint32, c_void_p, sizeof

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.ei_library.result_layout import CLASS, SDK_BOX, ResultLayout


@pytest.mark.parametrize(("labels", "anomaly", "timing", "behind"), [(3, 64, 72, 128), (1, 32, 40, 96)])
def test_offsets_measured_on_sdk_1_93(labels: int, anomaly: int, timing: int, behind: int) -> None:
    layout = ResultLayout(labels, has_visual_anomaly=False, has_postprocessing_time=True)
    assert (layout.anomaly, layout.timing) == (anomaly, timing)
    assert layout.timing_dtype.itemsize == 56
    assert layout.visual_anomaly == behind + 8
    offsets = {name: layout.timing_dtype.fields[name][1] for name in layout.timing_dtype.names}
    assert offsets == {
        **{"sampling": 0, "dsp": 4, "classification": 8, "postprocessing": 12, "anomaly": 16},
        **{"dsp_us": 24, "classification_us": 32, "postprocessing_us": 40, "anomaly_us": 48},
    }


class Classification(Structure):
    _fields_ = [("label", c_char_p), ("value", c_float)]


class Box(Structure):
    _fields_ = [
        *(("label", c_char_p), ("x", c_uint32), ("y", c_uint32), ("width", c_uint32), ("height", c_uint32)),
        ("value", c_float),
    ]


class OldTiming(Structure):
    _fields_ = [
        *((name, c_int) for name in ("sampling", "dsp", "classification", "anomaly")),
        *((name, c_int64) for name in ("dsp_us", "classification_us", "anomaly_us")),
    ]


class NewTiming(Structure):
    _fields_ = [
        *((name, c_int) for name in ("sampling", "dsp", "classification", "postprocessing", "anomaly")),
        *((name, c_int64) for name in ("dsp_us", "classification_us", "postprocessing_us", "anomaly_us")),
    ]


@given(st.integers(0, 300), st.booleans())
def test_offsets_of_the_declaration(labels: int, has_postprocessing_time: bool) -> None:
    timing = NewTiming if has_postprocessing_time else OldTiming

    class Result(Structure):
        _fields_ = [
            ("bounding_boxes", POINTER(Box)),
            ("bounding_boxes_count", c_uint32),
            ("classification", Classification * max(1, labels)),
            ("anomaly", c_float),
            ("timing", timing),
            ("raw_outputs", c_void_p),
            ("visual_ad_grid_cells", POINTER(Box)),
            ("visual_ad_count", c_uint32),
            ("mean_value", c_float),
            ("max_value", c_float),
        ]

    layout = ResultLayout(labels, True, has_postprocessing_time)
    assert layout.anomaly == Result.anomaly.offset
    assert layout.timing == Result.timing.offset
    assert layout.timing_dtype.itemsize == sizeof(timing)
    assert layout.visual_anomaly == Result.visual_ad_grid_cells.offset
    assert layout.visual_anomaly + 12 == Result.mean_value.offset
    assert layout.size > sizeof(Result)
    assert (CLASS.itemsize, SDK_BOX.itemsize) == (sizeof(Classification), sizeof(Box))
