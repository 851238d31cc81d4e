"""What the driver asks of a loaded library, whichever of the two interfaces that has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.drivers.ei_library import status
from ai_runner.errors import InvalidModelError
from ai_runner.impulse.hello import Hello

Array = npt.NDArray[Any]

# Bits of `flags`, as ei_c_api.h has them.
CONTINUOUS = 1
DEBUG = 2

# What a run leaves besides classification values and entries of lists; the layout is ai_runner_ei_summary's. Times in
# microseconds, -1 where the SDK does not measure.
SUMMARY = np.dtype(
    [
        *((f"{stage}_us", "i8") for stage in ("dsp", "classification", "postprocessing", "anomaly")),
        *((name, "f4") for name in ("anomaly", "visual_anomaly_max", "visual_anomaly_mean")),
        *((name, "i4") for name in ("bounding_boxes", "visual_anomaly_grid", "object_tracking")),
    ],
    align=True,
)

LISTS = ("bounding_boxes", "visual_anomaly_grid", "object_tracking")


class Batch(ABC):
    """Rows of features on their way through a library.

    Attributes:
        summaries: `SUMMARY` (rows,), filled row by row.
    """

    summaries: Array

    @abstractmethod
    def run(self, row: int) -> int:
        """Classifies one row and stores its classification values; the status that the library returned."""

    @abstractmethod
    def take(self, row: int) -> None:
        """Copies the lists and freeform outputs of the run that has just been, before the library reuses them."""


class Library(ABC):
    """A loaded and initialised library.

    Attributes:
        path: of the file, for messages.
        interface: what it exports, in words.
        hello: what its model says of itself.
        freeform_sizes: elements of each freeform output.
        measures_postprocessing: the SDK tells the time of the stage behind the network.
    """

    path: Path
    interface: str
    hello: Hello
    freeform_sizes: tuple[int, ...]
    measures_postprocessing: bool

    @abstractmethod
    def hello_reply(self) -> dict[str, Any]:
        """The description as an .eim's hello reply without `id` and `success`, thresholds as they are now; fresh."""

    @abstractmethod
    def batch(self, features: Array, outputs: Mapping[str, Array], flags: int) -> Batch:
        """Prepares runs of `features`, float32 (rows, n), that fill `outputs`, arrays (rows, ...) by tensor name."""

    @abstractmethod
    def label_texts(self, name: str, count: int) -> list[str]:
        """The labels of the `count` entries that the last run left in one of `LISTS`."""

    @abstractmethod
    def set_threshold(self, block: int, values: Mapping[str, float]) -> None:
        """Sets thresholds of one block.

        Raises:
            InvalidParamError: the block or a name is unknown, or cannot be set.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forgets what continuous classification and tracking keep; raises InvalidModelError."""

    @abstractmethod
    def close(self) -> None:
        """Ends the use of the model and unloads. Idempotent."""

    def check(self, returned: int, what: str = "classifying") -> None:
        """Raises InvalidModelError for any status but 0."""
        if returned != 0:
            raise InvalidModelError(
                f"{self.path}: {what} failed: {status.words(returned)}",
                hint="the SDK may have printed more to standard output; debug=1 prints each step",
                evidence={"status": returned},
            )


def classification_of(outputs: Mapping[str, Array], rows: int, labels: Sequence[str]) -> Array:
    """Where classification values go: the output itself, or nowhere that matters for a detector with labels."""
    found = outputs.get("classification")
    return found if found is not None else np.zeros((rows, max(1, len(labels))), np.float32)
