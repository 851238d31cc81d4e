"""The answers of one runtime in a bundle, found by the inputs that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult, TimeSource
from ai_runner.result_bundle.bundle import Bundle
from ai_runner.result_bundle.description import model_of
from ai_runner.result_bundle.digests import DIGEST_BYTES, sample_digests


class Recording:
    """What one runtime answered.

    Args:
        bundle: open; may be closed afterwards.
        runtime: one of its manifest's.
        label: what messages call it.

    Raises:
        InvalidModelError: the bundle is damaged.
    """

    def __init__(self, bundle: Bundle, runtime: Mapping[str, Any], label: str) -> None:
        self._label = label
        self._samples = int(runtime["samples"])
        try:
            self.info: ModelInfo = model_of(runtime)
        except (ValueError, TypeError) as error:
            raise InvalidModelError(f"{label}: the manifest describes no model: {error}") from error
        folder = runtime["folder"]
        self._outputs = [
            self._array(bundle, f"{folder}/output-{k}.npy", tensor.dtype, tensor.sample_shape)
            for k, tensor in enumerate(self.info.outputs)
        ]
        self._durations = self._array(bundle, f"{folder}/durations.npy", np.dtype(np.float64), ())
        source = runtime["c_duration_source"]
        self._source = None if source is None else TimeSource(source)
        digests = self._array(bundle, f"{folder}/digests.npy", np.dtype(np.uint8), (DIGEST_BYTES,))
        self._places: dict[bytes, int] = {}
        self._ambiguous: set[int] = set()
        for place in range(self._samples):
            self._enter(digests[place].tobytes(), place)
        time = bundle.manifest["provenance"].get("time", "an unknown time")
        self._warning = f"answers from a bundle: outputs and times were recorded at {str(time)[:40]}"

    def run(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Looks a batch up; see `Driver.invoke`.

        Raises:
            InvalidParamError: the bundle has no such sample.
        """
        begun = perf_counter()
        places = self._found(inputs)
        if callback is not None:
            places = self._told(places, callback)
        durations = self._durations[places]
        measured = self._source is not None and bool(np.isfinite(durations).all())
        warnings: tuple[str, ...] = (self._warning,)
        if not self._ambiguous.isdisjoint(places.tolist()):
            warnings += ("some inputs were recorded more than once with different outputs: the first ones are given",)
        outputs = tuple(np.array(output[places]) for output in self._outputs)
        return RunResult(
            info=self.info,
            mode=mode,
            outputs=outputs,
            durations=durations.tolist() if measured else (),
            source=self._source if measured and self._source is not None else TimeSource.HOST,
            host_duration=(perf_counter() - begun) * 1e3,
            warnings=warnings,
        )

    def _array(self, bundle: Bundle, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        array = bundle.array(name)
        if array.shape != (self._samples, *shape) or array.dtype != dtype:
            raise InvalidModelError(
                f"{self._label}: '{name}' is {array.dtype.name}{list(array.shape)}, the manifest says "
                f"{dtype.name}{[self._samples, *shape]}"
            )
        return array

    def _enter(self, digest: bytes, place: int) -> None:
        first = self._places.setdefault(digest, place)
        if first != place and any(x[first].tobytes() != x[place].tobytes() for x in self._outputs):
            self._ambiguous.add(first)

    def _found(self, inputs: Sequence[Array]) -> npt.NDArray[np.intp]:
        digests = sample_digests(inputs)
        places = np.empty(len(digests), np.intp)
        for row, digest in enumerate(digests):
            place = self._places.get(digest.tobytes())
            if place is None:
                raise InvalidParamError(
                    f"{self._label}: sample {row} of this batch is none of the {self._samples} in the bundle",
                    hint="give the inputs that it was made with: the same file, or the same --random and --seed",
                )
            places[row] = place
        return places

    def _told(self, places: npt.NDArray[np.intp], callback: AiRunnerCallback) -> npt.NDArray[np.intp]:
        """The samples up to the one at which the callback stops."""
        for row, place in enumerate(places):
            callback.on_sample_begin(row)
            logs = {} if self._source is None else {"dur": float(self._durations[place])}
            if callback.on_sample_end(row, [np.array(x[place]) for x in self._outputs], logs) is False:
                return places[: row + 1]
        return places
