"""What a descriptor and the keywords of connect() say about a board and the line to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ai_runner.descriptor import Descriptor
from ai_runner.drivers.stm32.protocol import DIALECTS
from ai_runner.errors import InvalidParamError

BAUDRATES = (115200, 921600, 460800, 230400)
# ST's relay script listens here, and ST's client looks here, where nothing else is said.
RELAY_HOST, RELAY_PORT = "localhost", 10000
# Digits alone are a port.
_RELAY = r"(\[[^\]]+\]|[^:/]*[^:/\d][^:/]*)?:?(\d*)"

_TIMEOUT = 20.0  # s for all ports together
_RECOVERY_TIMEOUT = 60.0
_LONGEST = 86400.0  # s

OPTIONS = {
    "baudrate": "Bd; default: 115200, 921600, 460800 and 230400 are tried",
    "dialect": f"accept only this one: {', '.join(d.name for d in DIALECTS)}, or the start of a name (v3)",
    "timeout": f"seconds for finding the board, default {_TIMEOUT:.0f}, with recover=1 {_RECOVERY_TIMEOUT:.0f}",
    "silence": "seconds that a board which was found may be silent; default 5, and 60 while a model runs",
    "recover": "1: try everything to bring back a silent board, for as long as the timeout allows",
    "resume": "seconds to wait for a board that was reset or unplugged during a run, which then goes on",
    "verify": "1: run every sample twice and compare, because no dialect has a checksum of tensors",
}


@dataclass(frozen=True)
class LinkOptions:
    """What was asked for.

    Attributes:
        address: of the transport; '' means: look for a board of ST.
        bauds: to try, in this order; one when it was given.
        dialect: start of the name of the one wanted; '' for any.
        timeout: s for finding the board.
        recover: try everything.
        silence: s that the board may be silent; None: as long as is usual for what it does.
        resume: s that a board which went away is waited for; 0: not at all.
        verify: run every sample twice.
    """

    address: str
    bauds: tuple[int, ...]
    dialect: str
    timeout: float
    recover: bool
    silence: float | None = None
    resume: float = 0.0
    verify: bool = False

    @classmethod
    def of(cls, descriptor: Descriptor, keywords: Mapping[str, Any]) -> LinkOptions:
        """Reads them.

        Raises:
            InvalidParamError: a value that is not possible.
        """
        baudrate = descriptor.integer("baudrate", int(keywords.get("baudrate") or 0), 1, 12_000_000)
        dialect = descriptor.options.get("dialect", "")
        if dialect and not any(known.name.startswith(dialect) for known in DIALECTS):
            raise InvalidParamError(
                f"{descriptor}: there is no dialect {dialect!r}",
                hint=f"known are {', '.join(known.name for known in DIALECTS)}",
            )
        recover = _is_set(descriptor, "recover")
        patience = keywords.get("timeout") or (_RECOVERY_TIMEOUT if recover else _TIMEOUT)
        return cls(
            relay_address(descriptor.address) if descriptor.scheme == "socket" else descriptor.address,
            (baudrate,) if baudrate else BAUDRATES,
            dialect,
            _seconds(descriptor, "timeout", patience),
            recover,
            _seconds(descriptor, "silence", 1.0) if "silence" in descriptor.options else None,
            _seconds(descriptor, "resume", 1.0) if "resume" in descriptor.options else 0.0,
            _is_set(descriptor, "verify"),
        )


def relay_address(address: str) -> str:
    """``host:port`` of a relay as a URL; either may be missing, as with ST's client.

    Raises:
        InvalidParamError: it is neither.
    """
    match = re.fullmatch(_RELAY, address)
    if match is None:
        raise InvalidParamError(
            f"socket:{address}: neither host nor port", hint="socket:HOST:PORT; an IPv6 address stands in brackets"
        )
    return f"socket://{match.group(1) or RELAY_HOST}:{match.group(2) or RELAY_PORT}"


def _is_set(descriptor: Descriptor, option: str) -> bool:
    return descriptor.choice(option, ("0", "1"), "0") == "1"


def _seconds(descriptor: Descriptor, option: str, default: Any) -> float:
    text = descriptor.options.get(option, default)
    try:
        seconds = float(text)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds <= _LONGEST:
        raise InvalidParamError(f"{descriptor}: {option}={text!r} is not a number of seconds up to a day")
    return seconds
