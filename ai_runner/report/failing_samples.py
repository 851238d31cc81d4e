"""Failing samples as a .npz that `ai-runner ei collect` sends to a project."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from ai_runner.compare.task.failing_samples import FailingSamples
from ai_runner.compare.tensor_pair import real_values
from ai_runner.model import TensorInfo
from ai_runner.report.output_file import whole_file
from ai_runner.report.printable import printable

Array = npt.NDArray[Any]
_REASON = 400  # characters


class Source(Protocol):
    """Where the inputs are read again."""

    def chunk(self, start: int, stop: int) -> list[Array]:
        """Samples start..stop-1, one array an input."""


def write_failing_samples(
    path: str | Path, failing: FailingSamples, source: Source, inputs: Sequence[TensorInfo]
) -> None:
    """Writes ``inputs`` (for several ``m_inputs_1``, ...), ``labels``, ``reasons`` and ``indices``.

    Inputs are real values, float32 ``(n,) + sample_shape``. Labels are text where the names of the classes are known
    and numbers elsewhere; they are left out where there are none. Sound also has ``interval_ms``, and images are there
    as files too: ``images``, the bytes of all of them, uint8, and ``image_ends``. One sample is in memory at a time.

    Raises:
        InvalidParamError: the file cannot be written, or a sample not be read again.
    """
    samples = failing.samples
    arrays: dict[str, Array] = {
        "reasons": np.array([printable(sample.reason)[:_REASON] for sample in samples], np.str_),
        "indices": np.array([sample.index for sample in samples], np.int64),
    }
    labels = [sample.label for sample in samples if sample.label is not None]
    if len(labels) == len(samples):
        arrays["labels"] = np.array([failing.names[k] for k in labels] if failing.names else labels)
    interval = getattr(source, "interval_ms", None)
    if interval is not None:
        arrays["interval_ms"] = np.array(interval)
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, tensor in enumerate(inputs):
            name = "inputs" if len(inputs) == 1 else f"m_inputs_{k + 1}"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _write_header(member, "<f4", (len(samples), *tensor.sample_shape))
                for sample in samples:
                    values = real_values(tensor, source.chunk(sample.index, sample.index + 1)[k])
                    member.write(np.ascontiguousarray(values, "<f4").tobytes())
        image = getattr(source, "image", None)
        if image is not None:
            ends = np.cumsum([len(image(sample.index)) for sample in samples], dtype=np.int64)
            arrays["image_ends"] = ends
            with archive.open("images.npy", "w", force_zip64=True) as member:
                _write_header(member, "|u1", (int(ends[-1]),))
                for sample in samples:
                    member.write(image(sample.index))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _write_header(member: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(member, header)
