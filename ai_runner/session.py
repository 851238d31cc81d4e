"""AiRunnerSession: one model of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ai_runner.driver import Array
from ai_runner.errors import NotConnectedError
from ai_runner.profile import RunResult
from ai_runner.tensor_desc import AiTensorDesc

if TYPE_CHECKING:
    from ai_runner.runner import AiRunner


class AiRunnerSession:
    """One model of a connection: AiRunner's methods without the name argument."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._parent: AiRunner | None = None

    def __str__(self) -> str:
        return self._name

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def is_active(self) -> bool:
        """True while the session belongs to a connected runner."""
        return self._parent is not None and self._parent.is_connected

    def acquire(self, parent: AiRunner) -> None:
        """Binds the session to a runner."""
        self._parent = parent

    def release(self) -> None:
        """Unbinds it; its methods then answer as without a model."""
        self._parent = None

    def disconnect(self) -> bool:
        """Releases the session, and ends the connection when it was the last active one."""
        parent = self._parent
        self.release()
        return parent is None or parent.disconnect(force_all=False)

    def get_info(self) -> dict[str, Any]:
        """See AiRunner.get_info."""
        return self._parent.get_info(self._name) if self._parent else {}

    def get_input_infos(self) -> list[dict[str, Any]]:
        """See AiRunner.get_input_infos."""
        return self._parent.get_input_infos(self._name) if self._parent else []

    def get_output_infos(self) -> list[dict[str, Any]]:
        """See AiRunner.get_output_infos."""
        return self._parent.get_output_infos(self._name) if self._parent else []

    def get_inputs(self) -> list[AiTensorDesc]:
        """See AiRunner.get_inputs."""
        return self._parent.get_inputs(self._name) if self._parent else []

    def get_outputs(self) -> list[AiTensorDesc]:
        """See AiRunner.get_outputs."""
        return self._parent.get_outputs(self._name) if self._parent else []

    def invoke(self, inputs: Any, **kwargs: Any) -> tuple[list[Array], dict[str, Any]]:
        """See AiRunner.invoke."""
        return self._parent.invoke(inputs, self._name, **kwargs) if self._parent else ([], {})

    def run(self, inputs: Any, **kwargs: Any) -> RunResult:
        """See AiRunner.run."""
        if self._parent is None:
            raise NotConnectedError(f"the session of '{self._name}' is released")
        return self._parent.run(inputs, self._name, **kwargs)

    def generate_rnd_inputs(
        self, batch_size: int = 4, rng: np.random.RandomState | None = None, val: Any = None
    ) -> list[Array]:
        """See AiRunner.generate_rnd_inputs."""
        return self._parent.generate_rnd_inputs(self._name, batch_size, rng, val) if self._parent else []

    def summary(self, print_fn: Callable[[str], Any] | None = None, indent: int = 1, level: int = 0) -> None:
        """See AiRunner.summary."""
        if self._parent:
            self._parent.summary(self._name, print_fn, indent, level)

    def print_profiling(
        self,
        inputs: Any,
        profiler: dict[str, Any],
        outputs: Any,
        print_fn: Callable[[str], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """See AiRunner.print_profiling."""
        if self._parent:
            self._parent.print_profiling(inputs, profiler, outputs, print_fn, **kwargs)

    def extension(self, **kwargs: Any) -> Any:
        """See AiRunner.extension."""
        return self._parent.extension(self._name, **kwargs) if self._parent else False
