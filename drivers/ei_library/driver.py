"""`ei:PATH`: an Edge Impulse C++ library, compiled as a shared library, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array, Driver, reduced_mode
from ai_runner.drivers.ei_library.execution import run, stage_names
from ai_runner.drivers.ei_library.extension import extend
from ai_runner.drivers.ei_library.library import Library
from ai_runner.drivers.ei_library.loading import open_library
from ai_runner.errors import InvalidModelError, InvalidMsgError, InvalidParamError, NotConnectedError
from ai_runner.host import host_device
from ai_runner.impulse.description import model_info, pixel_scale
from ai_runner.model import Mode, ModelInfo, model_name
from ai_runner.profile import RunResult

_MODES = Mode.PER_LAYER | Mode.PERF_ONLY


class EiLibraryDriver(Driver):
    """A library with the C interface of this package, or with the `ei_ffi_*` functions of the Rust crate.

    The input is ``features``, the raw features that Studio shows; outputs are those of `ai_runner.impulse.result`.
    Times of samples are those of the native call on the host's clock; those of stages under PER_LAYER are what the
    library's own counters say, in microseconds.

    Each connection loads a private copy: the SDK keeps its one model, its thresholds and the state of continuous
    classification in static memory.

    Keyword arguments of connect():
        reload: False loads the library itself instead of a copy; a second connection of this process shares its state.
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "metadata": "JSON file that describes a library with ei_ffi_ functions only",
        "debug": "1: the SDK prints each step to standard output (default: 0)",
        "scale": "0..1, -1..1 or 0..255: what pixels are to an image model, for a comparison with it (default: what "
        "the quantisation of its input comes nearest to, else 0..1)",
        "isolate": "process: run in a child process, so that a crash does not take yours along; none (default)",
    }
    KEYWORDS: ClassVar[frozenset[str]] = frozenset({"reload"})
    ISOLATABLE: ClassVar[bool] = True

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        descriptor.choice("isolate", ("none", "process"), "none")
        self._debug = descriptor.choice("debug", ("0", "1"), "0") == "1"
        self._scale = pixel_scale(descriptor)
        self._library: Library | None = None
        self._info: ModelInfo | None = None
        self._running = threading.Lock()
        self._close_wanted = False

    def open(self, deadline: Deadline) -> None:
        """Loads the library and initialises its model, which cannot be interrupted; see `Driver.open`."""
        self.close()
        library = open_library(
            self.descriptor.address, self.descriptor.options.get("metadata"), self.keywords.get("reload", True)
        )
        try:
            self._info = self._described(library)
        except BaseException:
            library.close()
            raise
        self._library = library

    def names(self) -> tuple[str, ...]:
        """The one name: the file's stem as an identifier."""
        return (self._connected().name,)

    def info(self, name: str) -> ModelInfo:
        """Description of the model; `runtime.attributes` has what the library says of it."""
        info = self._connected()
        if name != info.name:
            raise InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"it has {info.name!r}")
        return info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch, sample by sample; see `Driver.invoke`.

        Raises:
            InvalidModelError: the library refused to classify.
            InvalidParamError: a feature is not finite, or a command of this connection is going on.
        """
        info = self.info(name)
        with self._alone() as library:
            mode = reduced_mode(mode, info.runtime.capabilities) & _MODES
            return run(library, info, inputs[0], mode, callback, self._debug)

    def extension(self, name: str | None, **command: Any) -> Any:
        """Hello, raw results, thresholds, as `ai_runner.drivers.ei_library.extension` describes."""
        if "cmd" not in command:
            return False
        with self._alone() as library:
            return extend(library, self._connected(), command)

    def close(self) -> None:
        """Unloads; during a run of another thread or from a callback, as soon as that run ends."""
        if not self._running.acquire(blocking=False):
            self._close_wanted = True
            return
        try:
            self._close_wanted = False
            library, self._library, self._info = self._library, None, None
            if library is not None:
                library.close()
        finally:
            self._running.release()

    def describe(self) -> str:
        """One line: the file, its interface, project and engine."""
        if self._library is None or self._info is None:
            return super().describe()
        attributes = self._info.runtime.attributes
        project = f", project {attributes['project']}" if "project" in attributes else ""
        return f"{self._library.path}, {self._library.interface}{project}, {attributes['engine']}"

    # -- inside -----------------------------------------------------------------------------------------------------

    def _connected(self) -> ModelInfo:
        if self._info is None:
            raise NotConnectedError(f"{self.descriptor}: not open", hint="open it first")
        return self._info

    @contextmanager
    def _alone(self) -> Iterator[Library]:
        """The library for one command."""
        self._connected()
        if not self._running.acquire(blocking=False):
            raise InvalidParamError(
                f"{self.descriptor}: asked while a run is going on", hint="use a connection of its own for each thread"
            )
        try:
            if self._library is None:
                raise NotConnectedError(f"{self.descriptor}: not open", hint="open it first")
            yield self._library
        finally:
            self._running.release()
            if self._close_wanted:
                self.close()

    def _described(self, library: Library) -> ModelInfo:
        try:
            info = model_info(
                library.hello,
                model_name(self.descriptor.address),
                f"Edge Impulse C++ library, {library.interface}",
                host_device(),
                library.freeform_sizes,
                scale=self._scale,
            )
        except InvalidMsgError as error:
            raise InvalidModelError(f"{library.path}: {error.message}", hint=error.hint) from error
        return replace(info, n_nodes=len(stage_names(library)))
