"""Which transport an address means."""

from __future__ import annotations

from ai_runner.deadline import Deadline
from ai_runner.transport import Transport
from ai_runner.transport.rfc2217 import open_rfc2217
from ai_runner.transport.serial_port import open_serial_port
from ai_runner.transport.tcp import connect_tcp, host_and_port


def open_transport(address: str, baudrate: int, deadline: Deadline) -> Transport:
    """``socket://host:port``, ``rfc2217://host:port``, else a serial port, which is tried again while it is busy.

    Raises:
        InvalidParamError: the address or the baud rate is not possible.
        HwIOError: it cannot be opened; `PortBusyError` and `LinkTimeoutError` are kinds of it.
    """
    scheme = address.partition("://")[0].lower()
    if scheme == "socket":
        return connect_tcp(*host_and_port(address), deadline)
    if scheme == "rfc2217":
        return open_rfc2217(address, baudrate, deadline)
    return open_serial_port(address, baudrate, deadline)
