"""A serial port of another host over telnet (RFC 2217), spoken by pyserial."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, cast

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.serial_port import PyserialPort
from ai_runner.transport.tcp import host_and_port

if TYPE_CHECKING:
    from serial import Serial as SerialPort

_SLICE = 0.01  # s
_STEP = 3.0  # s


def open_rfc2217(url: str, baudrate: int, deadline: Deadline) -> Transport:
    """Opens ``rfc2217://host:port``.

    All steps of the negotiation together end with `deadline`, each of them after 3 s. Where the host itself does not
    answer, pyserial waits 5 s for each of its addresses. Its thread, which reads the socket, ends with `close`.

    Raises:
        InvalidParamError: no host or port in the URL.
        LinkTimeoutError: somebody is there and does not negotiate before the deadline.
        HwIOError: nobody answers there, or speaks another protocol.
    """
    from serial import rfc2217

    class Port(rfc2217.Serial):
        @property
        def _network_timeout(self) -> float:
            """s for a step; pyserial sets it when it opens, to always the same."""
            remaining = None if self.is_negotiated else deadline.remaining()
            return _STEP if remaining is None else min(_STEP, remaining)

        @_network_timeout.setter
        def _network_timeout(self, seconds: float) -> None:
            self.is_negotiated = False

        # Some servers do not answer a purge, and the boot banner may be what explains a fault.
        def reset_input_buffer(self) -> None:
            return

        def reset_output_buffer(self) -> None:
            return

    host_and_port(url)
    # A server need not answer what is said about flow control and control lines.
    port = Port(None, baudrate=baudrate, timeout=_SLICE)
    port.port = f"{url}?ign_set_control"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threading, from pyserial
            port.open()
    except (OSError, ValueError) as error:
        late = deadline.expired
        raise (LinkTimeoutError if late else HwIOError)(
            f"{url} " + ("does not negotiate within the deadline" if late else f"cannot be opened: {error}"),
            hint="is it an RFC 2217 server? A plain byte stream is written socket://HOST:PORT",
            evidence={"port": url, "error": str(error)},
            retryable=True,
        ) from error
    port.is_negotiated = True
    return PyserialPort(cast("SerialPort", port), url)
