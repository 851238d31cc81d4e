"""Where the fields of ``ei_impulse_result_t`` lie in a library that shows the SDK's own structures.

The layout depends on macros that the model was compiled with, and nothing in the library tells them. Offsets are those
of 64-bit hosts; they were measured on libraries of SDK 1.93, and follow from the declaration for older ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOUNDING_BOXES, BOUNDING_BOXES_COUNT, CLASSIFICATION = 0, 8, 16
# {const char *label; float value} and {const char *label; uint32 x, y, width, height; float value}, padded.
CLASS = np.dtype({"names": ["label", "value"], "formats": ["u8", "f4"], "offsets": [0, 8], "itemsize": 16})
SDK_BOX = np.dtype(
    {
        "names": ["label", "x", "y", "width", "height", "value"],
        "formats": ["u8", "u4", "u4", "u4", "u4", "f4"],
        "offsets": [0, 8, 12, 16, 20, 24],
        "itemsize": 32,
    }
)
# Far more than a signal of libstdc++ (40 bytes) and of libc++ take.
SIGNAL_BYTES = 512
_SPARE_BYTES = 4096


@dataclass(frozen=True)
class ResultLayout:
    """The layout of one library.

    Attributes:
        labels: of the model.
        has_visual_anomaly: built with EI_CLASSIFIER_HAS_VISUAL_ANOMALY.
        has_postprocessing_time: its SDK tells the time of post-processing (from 2025 on).
    """

    labels: int
    has_visual_anomaly: bool
    has_postprocessing_time: bool

    @property
    def anomaly(self) -> int:
        """Offset of the anomaly score, a float."""
        return CLASSIFICATION + CLASS.itemsize * max(1, self.labels)

    @property
    def timing(self) -> int:
        """Offset of the times."""
        return (self.anomaly + 4 + 7) // 8 * 8

    @property
    def timing_dtype(self) -> np.dtype[np.void]:
        """Whole milliseconds, then microseconds."""
        stages = ["dsp", "classification", *(["postprocessing"] if self.has_postprocessing_time else []), "anomaly"]
        milliseconds = [("sampling", "i4"), *((stage, "i4") for stage in stages)]
        return np.dtype([*milliseconds, *((f"{stage}_us", "i8") for stage in stages)], align=True)

    @property
    def visual_anomaly(self) -> int:
        """Offset of pointer to the cells, uint32 count, float mean, float max; behind a pointer or a padded bool."""
        return self.timing + self.timing_dtype.itemsize + 8

    @property
    def size(self) -> int:
        """Bytes to allocate: the fields above, and room for those behind them, which differ from model to model."""
        return self.visual_anomaly + 24 + _SPARE_BYTES
