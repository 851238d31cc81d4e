"""What a board says of itself and of its models."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.protocol import (
    GetModel,
    GetSystemInfo,
    ModelDescription,
    ProtocolError,
    Refused,
    Sync,
    SyncReply,
    SystemInfo,
)
from ai_runner.drivers.stm32.protocol.codes import ErrorCode
from ai_runner.errors import InvalidModelError

_log = logging.getLogger(__name__)

_MAX_MODELS = 256


@dataclass(frozen=True)
class Board:
    """A board's answers to everything that can be asked without running a model."""

    sync: SyncReply
    system: SystemInfo
    models: tuple[ModelDescription, ...]


def read_board(link: Link) -> Board:
    """Asks for everything. Afterwards packets have the size that the board wants.

    Raises:
        InvalidModelError: the board has no model that it could initialise.
        HwIOError, InvalidMsgError: the board fell silent, or talks nonsense.
    """
    sync, system = link.answer(Sync()), link.answer(GetSystemInfo())
    if not isinstance(sync, SyncReply) or not isinstance(system, SystemInfo):
        raise ProtocolError(f"{link.transport.describe()}: the board refuses to say what it is: {system}")
    models: dict[str, ModelDescription] = {}
    broken = []
    for index in range(_MAX_MODELS):
        answer = link.answer(GetModel(index))
        if isinstance(answer, ModelDescription):
            models.setdefault(answer.name, answer)
        elif isinstance(answer, Refused) and answer.error == ErrorCode.GENERIC:
            broken.append(index)
            _log.warning("%s: model %d could not be initialised by the board", link.transport.describe(), index)
        else:
            break
    if not models:
        raise InvalidModelError(
            f"{link.transport.describe()}: the board has no model"
            + (f" that it could initialise, of {len(broken)}" if broken else ""),
            hint="check its memory (activations, weights in external flash), or generate the application again",
        )
    return Board(sync, system, tuple(models.values()))
