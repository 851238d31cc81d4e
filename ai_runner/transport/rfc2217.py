"""A serial port of another host over telnet (RFC 2217), spoken by pyserial."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, cast

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError
from ai_runner.transport import Transport
from ai_runner.transport.serial_port import PyserialPort
from ai_runner.transport.tcp import host_and_port

if TYPE_CHECKING:
    from serial import Serial as SerialPort

_SLICE = 0.01  # s


def open_rfc2217(url: str, baudrate: int, deadline: Deadline) -> Transport:
    """Opens ``rfc2217://host:port``.

    pyserial has its own times here: 5 s for the connection, 3 s for every step of the negotiation; `deadline` is not
    looked at. Its thread, which reads the socket, ends with `close`.

    Raises:
        InvalidParamError: no host or port in the URL.
        HwIOError: nobody answers there, or speaks another protocol.
    """
    from serial import rfc2217

    class Port(rfc2217.Serial):
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
        raise HwIOError(
            f"{url} cannot be opened: {error}",
            hint="is it an RFC 2217 server? A plain byte stream is written socket://HOST:PORT",
            evidence={"port": url},
            retryable=True,
        ) from error
    return PyserialPort(cast("SerialPort", port), url)
