"""BundleWriter: looks on while a validation runs and leaves a bundle, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_runner.bundle.worst_samples import Chunk, WorstSamples
from ai_runner.compare.verdict import Validation
from ai_runner.errors import AiRunnerError, HwIOError, InvalidParamError
from ai_runner.model import ModelInfo
from ai_runner.profile import RunResult
from ai_runner.result_bundle.arrays import SampleWriter
from ai_runner.result_bundle.bundle import MANIFEST, POLICY, REPORT, SCHEMA
from ai_runner.result_bundle.description import described
from ai_runner.result_bundle.digests import DIGEST_BYTES, sample_digests
from ai_runner.schemas import check

Array = npt.NDArray[Any]

_BLOCK = 1 << 20


class BundleWriter:
    """A `compare.recorder.Recorder` that writes what it is told; memory does not grow with the samples.

    Everything goes to a folder beside the bundle, which takes its place in `finish`. As a context manager it removes
    that folder when there was no `finish`, and says what the disk did not take.

    Args:
        path: of the bundle: a folder that does not exist or is empty, or a .zip, which is replaced.

    Attributes:
        places: for every target that runs, its position in the report; empty when all of them run.

    Raises:
        InvalidParamError: `path` cannot be written, or is a folder with something in it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._is_zip = self.path.suffix.lower() == ".zip"
        self.places: tuple[int, ...] = ()
        self._runtimes: dict[int | None, _RuntimeWriter] = {}
        self._worst: dict[int, WorstSamples] = {}
        self._folder = self._staging()

    def _staging(self) -> Path:
        try:
            zipped = self._is_zip
            if self.path.exists() and (self.path.is_dir() == zipped or (not zipped and any(self.path.iterdir()))):
                raise InvalidParamError(
                    f"{self.path}: exists already", hint="choose a bundle that does not exist, or remove this one"
                )
            folder = self.path.absolute().with_name(f".{self.path.name[:100]}.{secrets.token_hex(4)}.part")
            folder.mkdir()
        except OSError as error:
            if isinstance(error, AiRunnerError):
                raise
            raise InvalidParamError(
                f"{self.path}: cannot be written: {error.strerror or error}",
                hint="choose a folder that exists and is writable",
            ) from error
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for runtime in self._runtimes.values():
            runtime.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, _Unwritten):
            raise HwIOError(
                f"{self.path}: cannot be written: {error.strerror or error}", hint="is the disk full?"
            ) from error

    def ran(self, place: int | None, inputs: Sequence[Array], result: RunResult) -> None:
        """Writes outputs, times and digests of some samples; see `Recorder.ran`."""
        where = None if place is None else self._position(place)
        with _writing():
            if where not in self._runtimes:
                name = "reference" if where is None else f"target-{where}"
                self._runtimes[where] = _RuntimeWriter(self._folder / name, where)
            self._runtimes[where].write(inputs, result)

    def differed(self, place: int, errors: npt.NDArray[np.float64]) -> None:
        """Keeps the tensors of the worst samples; see `Recorder.differed`."""
        where = self._position(place)
        if where not in self._worst:
            self._worst[where] = WorstSamples(self._folder / "worst" / f"target-{where}")
        reference, target = self._runtimes[None].last, self._runtimes[where].last
        if reference is not None and target is not None:
            with _writing():
                self._worst[where].update(errors, reference, target)

    def _position(self, place: int) -> int:
        return self.places[place] if self.places else place

    def finish_validation(self, report: Mapping[str, Any], found: Validation, policy: bytes = b"") -> None:
        """`finish` with what was run in a validation; without a reference there is no bundle."""
        if found.reference.info is not None:
            infos = {place: x.run.info for place, x in enumerate(found.targets) if x.run.info is not None}
            self.finish(report, found.reference.info, infos, policy)

    def finish(
        self, report: Mapping[str, Any], reference: ModelInfo, targets: Mapping[int, ModelInfo], policy: bytes = b""
    ) -> None:
        """Ends the bundle and puts it in its place.

        Args:
            report: of schema ``ai-runner/validation/1``.
            reference, targets: what was run, targets by their position in the report.
            policy: the file that it was judged by; empty without one.
        """
        with _writing():
            self._finish(report, reference, targets, policy)

    def _finish(
        self, report: Mapping[str, Any], reference: ModelInfo, targets: Mapping[int, ModelInfo], policy: bytes
    ) -> None:
        infos: dict[int | None, ModelInfo] = {None: reference, **dict(targets.items())}
        runtimes = []
        for where, runtime in sorted(self._runtimes.items(), key=lambda item: -1 if item[0] is None else item[0]):
            side = report["reference"] if where is None else report["targets"][where]
            runtimes.append({**runtime.close(), "descriptor": side["descriptor"], **described(infos[where])})
        text = json.dumps(report, indent=2, allow_nan=False)
        (self._folder / REPORT).write_text(text + "\n", "ascii")
        if policy:
            (self._folder / POLICY).write_bytes(policy)
        manifest = {
            "schema": SCHEMA,
            "ai_runner": report["provenance"].get("ai_runner", ""),
            "samples": report["provenance"]["samples"],
            "provenance": report["provenance"],
            "runtimes": runtimes,
            "worst": [
                {"target": where, "sample": sample, "error": error, "path": f"worst/target-{where}/{name}"}
                for where, worst in sorted(self._worst.items())
                for sample, error, name in worst.listing()
            ],
            "files": [_listed(path, self._folder) for path in sorted(self._folder.rglob("*")) if path.is_file()],
        }
        check(manifest, "bundle")
        (self._folder / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", "ascii")
        self._publish()

    def _publish(self) -> None:
        if not self._is_zip:
            if self.path.is_dir():
                self.path.rmdir()
            self._folder.replace(self.path)
            return
        packed = self._folder.with_suffix(".zip.part")
        try:
            with packed.open("xb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    for path in sorted(self._folder.rglob("*")):
                        if path.is_file():
                            archive.write(path, path.relative_to(self._folder).as_posix())
                file.flush()
                os.fsync(file.fileno())
            packed.replace(self.path)
        except BaseException:
            packed.unlink(missing_ok=True)
            raise


class _RuntimeWriter:
    """The folder of one runtime; `last` is the chunk that it ran last."""

    def __init__(self, folder: Path, target: int | None) -> None:
        folder.mkdir()
        self._folder = folder
        self._target = target
        self._samples = 0
        self._source: str | None = None
        self._digests = SampleWriter(folder / "digests.npy", np.uint8, (DIGEST_BYTES,))
        self._durations = SampleWriter(folder / "durations.npy", np.float64, ())
        self._outputs: list[SampleWriter] = []
        self.last: Chunk | None = None

    def write(self, inputs: Sequence[Array], result: RunResult) -> None:
        if not self._outputs:
            self._outputs = [
                SampleWriter(self._folder / f"output-{k}.npy", array.dtype, array.shape[1:])
                for k, array in enumerate(result.outputs)
            ]
        for writer, output in zip(self._outputs, result.outputs, strict=True):
            writer.write(output)
        self._digests.write(sample_digests(inputs))
        batch = len(inputs[0])
        times = np.asarray(result.durations, np.float64) if len(result.durations) == batch else np.full(batch, np.nan)
        self._durations.write(times)
        self._source = str(result.source) if result.durations else self._source
        self.last = Chunk(self._samples, inputs, result)
        self._samples += batch

    def close(self) -> dict[str, Any]:
        """Ends the files; what the manifest says of them."""
        for writer in (self._digests, self._durations, *self._outputs):
            writer.close()
        return {
            "folder": self._folder.name,
            "target": self._target,
            "samples": self._samples,
            "c_duration_source": self._source,
        }

    def abandon(self) -> None:
        for writer in (self._digests, self._durations, *self._outputs):
            with suppress(OSError):  # what is still in its buffer is not wanted any more
                writer.abandon()


class _Unwritten(OSError):
    """What the disk said: told from every other OSError, such as that of a pipe which nobody reads any more."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _Unwritten(error.errno, error.strerror or str(error)) from error


def _listed(path: Path, root: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"path": path.relative_to(root).as_posix(), "size": path.stat().st_size, "sha256": digest.hexdigest()}
