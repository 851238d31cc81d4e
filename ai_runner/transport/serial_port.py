"""A serial port of this host, opened and configured by pyserial.

On POSIX bytes move by `os.read` and `os.write` on pyserial's file descriptor, which is about twice as fast for small
packets as its own read and write; elsewhere pyserial moves them.

On Linux a read that may take long waits in the kernel, on a descriptor of its own that blocks for 0.1 s at a time:
poll and read wake twice, which costs a tenth of the time of a small packet. Shorter waits, and all writes, go through
poll.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING

from ai_runner.deadline import Deadline
from ai_runner.errors import HwIOError, InvalidParamError, LinkLostError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.readiness import Readiness

if TYPE_CHECKING:
    from serial import Serial

_RETRY_PAUSE = 0.05  # s
_SLICE = 0.01  # s that pyserial waits at a time, where it does
_BLOCKING = 0.1  # s that a blocking read waits: VTIME counts tenths
_WRITE_PIECE = 256  # bytes: 0.27 s at 9600 Bd
_STUCK = 2.0  # s for a piece
_NOW = Deadline(0.0)
_BUSY = frozenset({errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK})
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_ABSENT = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO})


class PortBusyError(HwIOError):
    """Another program has the port open."""


def open_serial_port(name: str, baudrate: int, patience: Deadline | None = None) -> Transport:
    """Opens a port for this process alone: 8N1, no flow control.

    Args:
        name: ``COM3``, ``/dev/ttyACM0``.
        baudrate: Bd.
        patience: how long a busy port is tried again; None: once.

    Raises:
        PortBusyError: another program has it.
        HwIOError: there is none of this name, it may not be opened, or cannot be configured.
        InvalidParamError: the port does not do this rate.
    """
    while True:
        try:
            port = _open(name, baudrate)
        except PortBusyError:
            if patience is None or patience.expired:
                raise
            time.sleep(_RETRY_PAUSE)
        else:
            return _transport(port, name)


def _transport(port: Serial, name: str) -> Transport:
    if os.name != "posix":
        return PyserialPort(port, name)
    return _LinuxPort(port, name) if sys.platform == "linux" else _PosixPort(port, name)


def _open(name: str, baudrate: int) -> Serial:
    import serial

    port = serial.Serial(timeout=_SLICE, write_timeout=None if os.name == "posix" else _STUCK)
    port.port = name
    port.exclusive = True if os.name == "posix" else None  # Windows knows nothing else
    try:
        port.baudrate = baudrate
        port.open()
    except _port_errors() as error:  # SerialException is an OSError
        raise _opening_error(name, error) from error
    except (ValueError, OverflowError) as error:
        raise InvalidParamError(f"{name}: {baudrate} Bd is not possible: {error}") from error
    return port


def _port_errors() -> tuple[type[Exception], ...]:
    """What pyserial raises; it lets the error of termios, which is no OSError, through in places."""
    try:
        import termios
    except ImportError:
        return (OSError,)
    return (OSError, termios.error)


def _opening_error(name: str, error: Exception) -> HwIOError:
    number = getattr(error, "errno", None) or next((a for a in error.args if isinstance(a, int)), None)
    text = str(error)
    evidence = {"port": name, "error": text}
    # On Windows pyserial tells the reason in its text only.
    if number in _BUSY or (os.name != "posix" and "PermissionError" in text):
        return PortBusyError(
            f"{name} is in use by another program",
            hint="close the terminal, debugger or script that has it open",
            evidence=evidence,
            retryable=True,
        )
    if number in _DENIED:
        return HwIOError(
            f"{name} may not be opened: permission denied",
            hint="join the group of the device, on Debian: sudo usermod -aG dialout $USER, and log in again",
            evidence=evidence,
        )
    if number in _ABSENT or "FileNotFoundError" in text:
        return HwIOError(
            f"there is no serial port {name}", hint="`ai-runner ports` lists those of this host", evidence=evidence
        )
    return HwIOError(
        f"{name} cannot be opened as a serial port: {text}",
        hint="`ai-runner ports` lists the ports of this host",
        evidence=evidence,
    )


class _SerialPort(Transport):
    """What the two ways of moving bytes have in common."""

    def __init__(self, port: Serial, name: str) -> None:
        self._port = port
        self._name = name

    def describe(self) -> str:
        return f"{self._name} at {self._port.baudrate} Bd"

    def close(self) -> None:
        try:
            self._port.close()
        except _port_errors():
            return  # the device is gone, and with it what there was to release

    @property
    def baudrate(self) -> int | None:
        return int(self._port.baudrate)

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if value != self._port.baudrate:
            self._set_baudrate(value)

    def _set_baudrate(self, value: int) -> None:
        before = self._port.baudrate
        try:
            self._port.baudrate = value
        except _port_errors() as error:
            raise self._lost(error) from error
        except (ValueError, OverflowError) as error:
            self._port.baudrate = before
            raise InvalidParamError(f"{self._name}: {value} Bd is not possible: {error}") from error

    def _lost(self, error: Exception | None = None) -> LinkLostError:
        return LinkLostError(
            f"{self._name} is gone" + (f": {error}" if error else ""),
            hint="the cable was pulled or the board was reset: check it and connect again",
            evidence={"port": self._name},
            retryable=True,
        )

    def _stuck(self, written: int, size: int) -> LinkTimeoutError:
        return LinkTimeoutError(
            f"{self._name} took {written} of {size} bytes within the deadline",
            hint="the other end does not read: reset the board",
            evidence={"port": self._name},
            retryable=True,
        )


class _PosixPort(_SerialPort):
    def __init__(self, port: Serial, name: str) -> None:
        super().__init__(port, name)
        self._fd = port.fileno()
        self._readiness = Readiness(self._fd)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while self._readiness.readable(deadline):
            try:
                data = os.read(self._fd, max_bytes)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                raise self._lost()  # ready, and nothing there: how POSIX shows a device that is gone
            return data
        return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        rest = data
        while rest:
            try:
                written = os.write(self._fd, rest)
            except BlockingIOError:
                if not self._readiness.writable(deadline):
                    raise self._stuck(len(data) - len(rest), len(data)) from None
            except OSError as error:
                raise self._lost(error) from error
            else:
                if written == len(rest):
                    return
                rest = rest[written:]

    def close(self) -> None:
        # A number that is open again may be somebody else's file.
        self._fd = -1
        super().close()


class _LinuxPort(_PosixPort):
    """Reads on a second descriptor, which blocks; where the port cannot be opened twice, as any other on POSIX."""

    def __init__(self, port: Serial, name: str) -> None:
        super().__init__(port, name)
        try:
            self._blocking_fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            self._blocking_fd = -1
        self._limit_reads()

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while self._blocking_fd >= 0 and not deadline.within(_BLOCKING):
            try:
                data = os.read(self._blocking_fd, max_bytes)
            except OSError as error:
                raise self._lost(error) from error
            if data:
                return data
            if self._readiness.readable(_NOW):
                break  # the device is gone, or something has just come
        return super().read(max_bytes, deadline)

    def close(self) -> None:
        fd, self._blocking_fd = self._blocking_fd, -1
        if fd >= 0:
            os.close(fd)
        super().close()

    def _set_baudrate(self, value: int) -> None:
        super()._set_baudrate(value)
        self._limit_reads()  # pyserial has set them anew

    def _limit_reads(self) -> None:
        """Lets reads that block end after `_BLOCKING`, with nothing."""
        import termios

        if self._blocking_fd < 0:
            return
        try:
            settings = termios.tcgetattr(self._fd)
            settings[6][termios.VMIN], settings[6][termios.VTIME] = 0, 1
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)
        except termios.error as error:
            raise self._lost(error) from error


class PyserialPort(_SerialPort):
    """An open port of pyserial whose timeout is some 10 ms: short waits in a row, because many ports configure their
    hardware anew when a timeout changes."""

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while True:
            try:
                data: bytes = self._port.read(1)
                if data:
                    more = min(self._port.in_waiting, max_bytes - 1)
                    return data + self._port.read(more) if more else data
            except _port_errors() as error:
                raise self._lost(error) from error
            if deadline.expired:
                return b""

    def write(self, data: bytes, deadline: Deadline) -> None:
        from serial import SerialTimeoutException

        for start in range(0, len(data), _WRITE_PIECE):
            try:
                self._port.write(data[start : start + _WRITE_PIECE])
            except SerialTimeoutException as error:
                raise self._stuck(start, len(data)) from error
            except OSError as error:
                raise self._lost(error) from error
            if deadline.expired and start + _WRITE_PIECE < len(data):
                raise self._stuck(start + _WRITE_PIECE, len(data))
