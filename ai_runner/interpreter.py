"""AiRunnerInterpreter: an interpreter's face for a .tflite path, a descriptor, a runner or a session."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

from ai_runner.driver import Array
from ai_runner.runner import AiRunner
from ai_runner.session import AiRunnerSession
from ai_runner.tensor_desc import AiTensorDesc


class AiRunnerInterpreter:
    """Runs one model without profiling.

    Args:
        model: a path or descriptor, or a connected AiRunner or one of its sessions, which stays its owner's.
        kwargs: as for `AiRunner.connect`, and `name` of the model.
    """

    def __init__(self, model: str | PathLike[str] | AiRunner | AiRunnerSession, **kwargs: Any) -> None:
        name = kwargs.pop("name", None)
        self._owned: AiRunner | None = None
        self._session: AiRunnerSession | None
        if isinstance(model, AiRunnerSession):
            self._session = model
            return
        if not isinstance(model, AiRunner):
            self._owned = AiRunner()
            self._owned.connect(fspath(model), **kwargs)
            model = self._owned
        self._session = model.session(name)

    @property
    def is_valid(self) -> bool:
        """True when there is a model to run."""
        return self._session is not None and self._session.is_active

    def get_error(self) -> str | None:
        """Why the model could not be opened, or None; reading clears it."""
        return self._owned.get_error() if self._owned else None

    def get_inputs(self) -> list[AiTensorDesc]:
        """The inputs; empty when not valid."""
        return self._session.get_inputs() if self._session else []

    def get_outputs(self) -> list[AiTensorDesc]:
        """The outputs; empty when not valid."""
        return self._session.get_outputs() if self._session else []

    def invoke(self, inputs: Any) -> list[Array]:
        """The outputs of a batch, one array an output; empty when not valid."""
        return self._session.invoke(inputs)[0] if self._session else []

    def reset(self) -> None:
        """Ends the connection that this object opened itself; a runner or session that was passed in stays open."""
        if self._owned:
            self._owned.disconnect()
            self._owned = None
        self._session = None
