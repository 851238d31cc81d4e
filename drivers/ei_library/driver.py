"""`ei:PATH`: an Edge Impulse C++ library, compiled as a shared library, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array
from ai_runner.drivers.ei_library.execution import run, stage_names
from ai_runner.drivers.ei_library.extension import extend
from ai_runner.drivers.ei_library.library import Library
from ai_runner.drivers.ei_library.loading import open_library
from ai_runner.errors import InvalidModelError, InvalidMsgError
from ai_runner.host import host_device
from ai_runner.impulse.description import model_info, pixel_scale
from ai_runner.in_process import InProcessDriver
from ai_runner.model import Mode, ModelInfo, model_name
from ai_runner.profile import RunResult


@dataclass
class LoadedImpulse:
    """A library and what its model is, `debug` for each step printed."""

    library: Library
    info: ModelInfo
    debug: bool

    def run(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Runs a batch, sample by sample; see `ai_runner.drivers.ei_library.execution`."""
        return run(self.library, self.info, inputs[0], mode, callback, self.debug)


class EiLibraryDriver(InProcessDriver[LoadedImpulse]):
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
    FINITE_ONLY: ClassVar[bool] = True
    RUN_MODES: ClassVar[Mode] = Mode.PER_LAYER | Mode.PERF_ONLY

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        self._debug = descriptor.choice("debug", ("0", "1"), "0") == "1"
        self._scale = pixel_scale(descriptor)

    def load(self) -> LoadedImpulse:
        """Loads the library and initialises its model."""
        library = open_library(
            self.descriptor.address, self.descriptor.options.get("metadata"), self.keywords.get("reload", True)
        )
        try:
            return LoadedImpulse(library, self._described(library), self._debug)
        except BaseException:
            library.close()
            raise

    def unload(self, loaded: LoadedImpulse) -> None:
        """Ends the use of the model and unloads the library."""
        loaded.library.close()

    def extension(self, name: str | None, **command: Any) -> Any:
        """Hello, raw results, thresholds, as `ai_runner.drivers.ei_library.extension` describes."""
        if "cmd" not in command:
            return False
        with self.use:
            return extend(self.loaded.library, self.loaded.info, command)

    def describe(self) -> str:
        """One line: the file, its interface, project and engine."""
        if self._loaded is None:
            return super().describe()
        library, attributes = self._loaded.library, self._loaded.info.runtime.attributes
        project = f", project {attributes['project']}" if "project" in attributes else ""
        return f"{library.path}, {library.interface}{project}, {attributes['engine']}"

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
