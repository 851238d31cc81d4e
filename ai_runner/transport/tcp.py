"""A byte stream over TCP: a terminal server in raw mode, ST's relay script, an emulator."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.readiness import Readiness


def host_and_port(url: str) -> tuple[str, int]:
    """``scheme://host:port`` -> host, port; an IPv6 address stands in brackets.

    Raises:
        InvalidParamError: it is not of this form.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.path.strip("/") or parts.username is not None:
        raise InvalidParamError(
            f"{url}: host or port is missing or wrong",
            hint=f"{url.partition(':')[0]}://HOST:PORT, for example //lab:4000",
        )
    return host, port


def connect_tcp(host: str, port: int, deadline: Deadline) -> Transport:
    """Connects; only the look-up of a name may take longer than the deadline.

    Raises:
        LinkTimeoutError: nobody answers.
        HwIOError: the name is unknown, or the connection is refused.
    """
    where = f"socket://{f'[{host}]' if ':' in host else host}:{port}"
    remaining = deadline.remaining()
    try:
        stream = socket.create_connection((host, port), None if remaining is None else max(remaining, 0.001))
    except TimeoutError as error:
        raise LinkTimeoutError(
            f"{where} does not answer", hint="check host and port, and the firewall between", retryable=True
        ) from error
    except socket.gaierror as error:
        raise HwIOError(f"{where}: the host is unknown: {error.strerror}", hint="check its name") from error
    except OSError as error:
        raise HwIOError(
            f"{where} cannot be reached: {error.strerror or error}",
            hint="start the relay or emulator that listens there",
            retryable=True,
        ) from error
    return TcpTransport(stream, where)


class TcpTransport(Transport):
    """A connected socket."""

    def __init__(self, stream: socket.socket, where: str) -> None:
        stream.setblocking(False)
        if stream.family in (socket.AF_INET, socket.AF_INET6):
            # Packets are small and wait for their answer.
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = stream
        self._where = where
        self._readiness = Readiness(stream.fileno())

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while self._readiness.readable(deadline):
            try:
                data = self._stream.recv(max_bytes)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                raise self._lost()
            return data
        return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._stream.send(rest) :]
            except BlockingIOError:
                if not self._readiness.writable(deadline):
                    raise LinkTimeoutError(
                        f"{self._where} took {len(data) - len(rest)} of {len(data)} bytes within the deadline",
                        hint="the other end does not read",
                        retryable=True,
                    ) from None
            except OSError as error:
                raise self._lost(error) from error

    def close(self) -> None:
        self._stream.close()

    def describe(self) -> str:
        return self._where

    def _lost(self, error: OSError | None = None) -> LinkLostError:
        return LinkLostError(
            f"{self._where} has closed the connection" + (f": {error.strerror or error}" if error else ""),
            hint="the relay or the emulator has ended, or it serves another client",
            retryable=True,
        )
