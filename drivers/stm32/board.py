"""What a board says of itself and of its models."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.protocol import (
    Event,
    GetModel,
    GetSystemInfo,
    LogMessage,
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
_MAX_SETTINGS = 64
_CONFIG = "s:config:"


@dataclass(frozen=True)
class Board:
    """A board's answers to everything that can be asked without running a model.

    Attributes:
        settings: by the name of a model, what the board has logged for machines before its description
            (``s:config:<key>:<value>``).
    """

    sync: SyncReply
    system: SystemInfo
    models: tuple[ModelDescription, ...]
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


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
    settings: dict[str, dict[str, str]] = {}
    broken = []
    for index in range(_MAX_MODELS):
        *logs, answer = link.ask(GetModel(index))
        if isinstance(answer, ModelDescription):
            models.setdefault(answer.name, answer)
            settings.setdefault(answer.name, _settings(logs))
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
    return Board(sync, system, tuple(models.values()), settings)


def _settings(events: Sequence[Event]) -> dict[str, str]:
    """Keys and values of ``s:config:<key>:<value>``; a value may hold colons."""
    found: dict[str, str] = {}
    for event in events:
        if isinstance(event, LogMessage) and event.text.startswith(_CONFIG) and len(found) < _MAX_SETTINGS:
            key, _, value = event.text.removeprefix(_CONFIG).partition(":")
            found[key] = value
    return found
