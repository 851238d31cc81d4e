"""Finding a board again that was unplugged: where it is now, and that it is the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ai_runner.deadline import Deadline
from ai_runner.drivers.stm32.board import Board
from ai_runner.drivers.stm32.protocol import ModelDescription, TensorDesc
from ai_runner.errors import LinkLostError
from ai_runner.transport import Transport
from ai_runner.transport.port_list import SerialPortInfo, list_serial_ports


@dataclass(frozen=True)
class PortIdentity:
    """What a port is known by after its board was unplugged.

    Attributes:
        address: it was opened with.
        usb: vendor, product and serial number; None where it has no serial number: then it is known by its address.
        place: among the ports of the same device, which may have several.
    """

    address: str
    usb: tuple[int | None, int | None, str] | None = None
    place: int = 0

    @classmethod
    def of(cls, address: str) -> PortIdentity:
        """The identity of a port that is there now."""
        if "://" in address:
            return cls(address)
        ports = list_serial_ports()
        found = next((port for port in ports if _is_same(port.device, address)), None)
        if found is None or not found.serial_number:
            return cls(address)
        siblings = [port for port in ports if _usb(port) == _usb(found)]
        return cls(address, _usb(found), siblings.index(found))

    def now(self) -> str:
        """What to open now, maybe another name than before; '' while it is not there."""
        if "://" in self.address:
            return self.address
        ports = list_serial_ports()
        if self.usb is None:
            there = any(_is_same(port.device, self.address) for port in ports)
            return self.address if there or Path(self.address).exists() else ""
        siblings = [port for port in ports if _usb(port) == self.usb]
        return siblings[self.place].device if self.place < len(siblings) else ""

    def __str__(self) -> str:
        return f"{self.address}, serial number {self.usb[2]}" if self.usb else self.address


class Unplugged(Transport):
    """What is left of a line whose board has gone: `line` is how it was described."""

    def __init__(self, line: str) -> None:
        self._line = line

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        raise self._lost()

    def write(self, data: bytes, deadline: Deadline) -> None:
        raise self._lost()

    def close(self) -> None:
        """Nothing is open."""

    def describe(self) -> str:
        return self._line

    def _lost(self) -> LinkLostError:
        return LinkLostError(f"{self._line} is gone", hint="plug the board in and connect again", retryable=True)


def is_same_board(now: Board, before: Board) -> bool:
    """Whether a batch may go on: the same dialect, and the same models with the same inputs and outputs."""
    return now.sync.dialect == before.sync.dialect and _models(now.models) == _models(before.models)


def _models(models: Sequence[ModelDescription]) -> list[tuple[object, ...]]:
    """What a model is known by; memory addresses and the times that a start took may differ."""
    return [
        (model.name, model.signature, *map(_tensor, model.inputs), None, *map(_tensor, model.outputs))
        for model in models
    ]


def _tensor(desc: TensorDesc) -> tuple[object, ...]:
    return desc.format, desc.size, desc.shape, desc.scale, desc.zero_point


def _usb(port: SerialPortInfo) -> tuple[int | None, int | None, str]:
    return port.vid, port.pid, port.serial_number


def _is_same(device: str, address: str) -> bool:
    """Names of the same port; one may be a link, as those in /dev/serial/by-id are."""
    return device == address or (Path(address).is_symlink() and Path(address).resolve() == Path(device).resolve())
