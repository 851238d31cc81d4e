"""A driver whose runtime loads one model into this process: what all of that kind have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import AiRunnerCallback, Array, Driver, reduced_mode
from ai_runner.errors import InvalidParamError, NotConnectedError
from ai_runner.exclusive_use import ExclusiveUse
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult


class LoadedModel(Protocol):
    """A model in its runtime."""

    info: ModelInfo

    def run(self, inputs: Sequence[Array], mode: Mode, callback: AiRunnerCallback | None) -> RunResult:
        """Runs a batch in a mode that `info` allows."""


Loaded = TypeVar("Loaded", bound=LoadedModel)


class InProcessDriver(Driver, Generic[Loaded]):
    """Loads one model; subclasses say how, in `load`.

    Attributes:
        RUN_MODES: what a run may be asked for; other flags are left out.
        use: to be held during a command beside `invoke`.
    """

    ISOLATABLE: ClassVar[bool] = True
    RUN_MODES: ClassVar[Mode] = Mode.PER_LAYER | Mode.PER_LAYER_WITH_DATA

    def __init__(self, descriptor: Descriptor, **keywords: Any) -> None:
        super().__init__(descriptor, **keywords)
        descriptor.choice("isolate", ("none", "process"), "none")
        self._loaded: Loaded | None = None
        self.use = ExclusiveUse(descriptor, self._release)

    @abstractmethod
    def load(self) -> Loaded:
        """The model of the descriptor in its runtime; raises as `Driver.open`."""

    def unload(self, loaded: Loaded) -> None:
        """Frees of `loaded` what garbage collection does not."""

    def open(self, deadline: Deadline) -> None:
        """Loads the model, which cannot be interrupted; see `Driver.open`."""
        self.close()
        with self.use:
            self._loaded = self.load()

    def names(self) -> tuple[str, ...]:
        """The one name: the file's stem as an identifier."""
        return (self.loaded.info.name,)

    def info(self, name: str) -> ModelInfo:
        """Description of the model."""
        info = self.loaded.info
        if name != info.name:
            raise InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"it has {info.name!r}")
        return info

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch; see `Driver.invoke`.

        Raises:
            InvalidModelError: the runtime refused to run.
            InvalidParamError: a value of the inputs is nothing that the runtime takes, or a run of this connection is
                going on, in a callback or another thread.
        """
        with self.use:
            info = self.info(name)
            mode = reduced_mode(mode, info.runtime.capabilities) & self.RUN_MODES
            return self.loaded.run(inputs, mode, callback)

    def close(self) -> None:
        """Drops the model; during a run of another thread or from a callback, as soon as that run ends."""
        self.use.close()

    def describe(self) -> str:
        """One line for a person."""
        if self._loaded is None:
            return str(self.descriptor)
        return f"{self.descriptor}: {self._loaded.info.runtime.rt_lib_desc}"

    @property
    def loaded(self) -> Loaded:
        """The model; raises NotConnectedError (E810) before `open` and after `close`."""
        if self._loaded is None:
            raise NotConnectedError(f"{self.descriptor}: is not connected", hint="open it first")
        return self._loaded

    def _release(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            self.unload(loaded)
