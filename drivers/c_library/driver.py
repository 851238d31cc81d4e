"""The drivers ``file:`` and ``lib:``: ST's C-models as shared libraries of this host.

Reads the library before loading it, loads a private copy, and binds every model it exports.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array, Driver
from ai_runner.drivers.c_library.binding import Binding
from ai_runner.drivers.c_library.c_names import NEEDED, Api, ExportedModel, exported_models, symbol
from ai_runner.drivers.c_library.legacy import LegacyBinding
from ai_runner.drivers.c_library.legacy_nodes import ObserverLibrary
from ai_runner.drivers.c_library.locate import LibraryFile, locate
from ai_runner.drivers.c_library.memory import weights_for
from ai_runner.drivers.c_library.stai import StaiBinding
from ai_runner.errors import AiRunnerError, InvalidModelError, InvalidParamError, NotConnectedError
from ai_runner.exclusive_use import ExclusiveUse
from ai_runner.model import Mode, ModelInfo
from ai_runner.model_hash import check_expected, expected_hash
from ai_runner.profile import RunResult
from ai_runner.shared_library.image import Image

_NO_COPY_VARIABLE = "AI_RUNNER_FORCE_NO_DLL_COPY"


class CLibraryDriver(Driver):
    """A shared library with one or several models.

    Keyword arguments of connect():
        weights: for a library without them: bytes-like objects or .bin paths in the library's order, or a mapping from
            c-name to such a list.
        reload: False loads the library itself instead of a private copy; so does any value of the environment variable
            AI_RUNNER_FORCE_NO_DLL_COPY.
        dll_name: name of the library; the descriptor is its folder then.
        context: accepted for compatibility; without effect.
    """

    OPTIONS: ClassVar = {
        "api": "st-ai or legacy, for a library that exports both (default: st-ai)",
        "loop": "sample: run samples one by one, each timed; native: let the library loop where it can (default)",
        "expect": "hash or .tflite of the model that has to be in the library",
        "isolate": "process: run in a child process, so that a crash does not take yours along; none (default)",
    }
    KEYWORDS: ClassVar = frozenset({"weights", "reload", "dll_name", "context"})
    ISOLATABLE: ClassVar = True

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        descriptor.choice("isolate", ("none", "process"), "none")
        self._api = Api(descriptor.choice("api", tuple(Api), Api.STAI)) if "api" in descriptor.options else None
        self._native_batches = descriptor.choice("loop", ("native", "sample"), "native") == "native"
        self._path: Path | None = None
        self._images: list[Image] = []
        self._bindings: dict[str, Binding] = {}
        self._use = ExclusiveUse(descriptor, self._release)

    def open(self, deadline: Deadline) -> None:
        """Locates, checks and loads the library and initialises its models; see Driver.open."""
        self.close()
        expected = self.descriptor.options.get("expect", "")
        wanted = expected_hash(expected) if expected else ""
        with self._use:
            library = locate(self.descriptor.address, self.keywords.get("dll_name"))
            self._path = library.path
            copied = self.keywords.get("reload", True) and _NO_COPY_VARIABLE not in os.environ
            try:
                image = Image(library.path, library.content if copied else None)
                self._images.append(image)
                for model in self._chosen(library, image):
                    self._bindings[model.name] = self._bind(image, model)
                if wanted:
                    infos = [binding.info for binding in self._bindings.values()]
                    check_expected(infos, wanted, expected, str(library.path), "generate the library from it")
            except BaseException:
                self._release()
                raise

    def names(self) -> tuple[str, ...]:
        """c-names of the models, sorted."""
        return tuple(self._bindings)

    def info(self, name: str) -> ModelInfo:
        """Description of a model; see Driver.info."""
        return self._binding(name).info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch; see Driver.invoke.

        Raises:
            InvalidModelError: the library answered with an error.
            InvalidParamError: a run of this connection is going on, in a callback or another thread.
            HwIOError: the observer library refuses the network.
        """
        with self._use:
            binding = self._bindings.get(name) or self._binding(name)
            return binding.invoke(inputs, mode, callback)

    def close(self) -> None:
        """Unloads everything; during a run of another thread or from a callback, as soon as that run ends."""
        self._use.close()

    def describe(self) -> str:
        """One line: the file and its API."""
        if not self._bindings:
            return super().describe()
        runtime = next(iter(self._bindings.values())).info.runtime
        return f"{runtime.name} {'.'.join(str(part) for part in runtime.version)}, {self._path}"

    def _release(self) -> None:
        for binding in self._bindings.values():
            binding.close()
        self._bindings.clear()
        for image in reversed(self._images):
            image.close()
        self._images.clear()

    def _binding(self, name: str) -> Binding:
        if not self._bindings:
            raise NotConnectedError(f"{self.descriptor}: not open")
        if name not in self._bindings:
            raise InvalidParamError(
                f"{self.descriptor}: no model {name!r}", hint=f"models: {', '.join(self._bindings)}"
            )
        return self._bindings[name]

    def _chosen(self, library: LibraryFile, image: Image) -> list[ExportedModel]:
        """One entry a c-name, in the wanted API; of two a complete one, of two such st-ai."""
        models = library.models or _probed(image)
        if not models:
            raise InvalidModelError(
                f"{library.path}: exports no C-model (neither ai_<name>_run nor stai_<name>_run)",
                hint="generate the library with ST's tools (validate, or generate --dll), or with `ai-runner c-model`",
            )
        wanted = [model for model in models if self._api in (None, model.api)]
        if not wanted:
            raise InvalidParamError(
                f"{library.path}: does not export the {self._api} API",
                hint=f"drop the option: api={models[0].api} is there",
            )
        chosen: dict[str, ExportedModel] = {}
        for model in sorted(wanted, key=lambda model: bool(model.missing)):
            chosen.setdefault(model.name, model)
        return sorted(chosen.values(), key=lambda model: model.name)

    def _bind(self, image: Image, model: ExportedModel) -> Binding:
        blobs = weights_for(self.keywords.get("weights"), model.name)
        if model.api is Api.STAI:
            return StaiBinding(image, model, blobs)
        observer, reason = self._legacy_observer(image)
        return LegacyBinding(image, model, blobs, observer, reason, self._native_batches)

    def _legacy_observer(self, image: Image) -> tuple[ObserverLibrary | None, str]:
        """What subscribes to node events, or why there is nothing."""
        if ObserverLibrary.exported_by(image):
            return ObserverLibrary(image), ""
        path = image.path.with_name(f"libai_observer{image.path.suffix}")
        if not path.is_file():
            return None, f"{path.name} is not beside the library"
        try:
            # Never copied: it is one for all networks of the process, whose slots it keeps.
            loaded = Image(path)
        except AiRunnerError as error:
            return None, error.message
        self._images.append(loaded)
        if not ObserverLibrary.exported_by(loaded):
            return None, f"{path.name} lacks the functions of the legacy API"
        return ObserverLibrary(loaded), ""


def _probed(image: Image) -> tuple[ExportedModel, ...]:
    """Models under the two names that ST's driver tries, for a library whose symbol table cannot be read."""
    stem = image.path.name.partition(".")[0]
    tried = {
        symbol(api, name, f) for api in Api for name in ("network", stem.removeprefix("libai_")) for f in NEEDED[api]
    }
    return exported_models({name for name in tried if image.has(name)})
