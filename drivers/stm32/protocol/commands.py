"""What a host can say, the same for every dialect; `Connection.send` raises for what a dialect does not have."""

from __future__ import annotations

from dataclasses import dataclass, field

from ai_runner.drivers.stm32.protocol.events import Elements, TensorDesc


class Command:
    """Base of everything that `Connection.send` takes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Sync(Command):
    """Are you there? -> SyncReply. Packets go back to 32 bytes."""


@dataclass(frozen=True, slots=True)
class GetSystemInfo(Command):
    """-> SystemInfo. From then on packets may be large."""


@dataclass(frozen=True, slots=True)
class GetModel(Command):
    """-> ModelDescription of the model called `name`, else of number `index`; Refused past the last one."""

    index: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Run(Command):
    """Runs a model once -> InputWanted for every input, InputsTaken, nodes, RunReport, outputs.

    Attributes:
        name: of the model.
        per_layer: report every node.
        with_data: upload the tensors of nodes; implies per_layer.
        const_value: v3: an input message holds one element (4 bytes of packed bits), which the device repeats.
        perf_only: v3: outputs come without data. ST's client asks for const_value together with it.
        debug, direct_write, direct_read: v3. direct_write: the input is already in place, one element is sent.
        first_sample: of a batch.
        options: of the application, 24 bits.
    """

    name: str
    per_layer: bool = False
    with_data: bool = False
    const_value: bool = False
    perf_only: bool = False
    debug: bool = False
    direct_write: bool = False
    direct_read: bool = False
    first_sample: bool = False
    options: int = 0


@dataclass(frozen=True, slots=True)
class SendTensor(Command):
    """Elements of a tensor, C order, little-endian; v2 also needs the device's own description of it.

    `data` is not copied: a view's memory has to stay as it is until the device has taken all of it.
    """

    data: Elements = field(repr=False)
    desc: TensorDesc | None = None


@dataclass(frozen=True, slots=True)
class ReadMemory(Command):
    """-> MemoryData until `size` bytes have come."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class WriteMemory(Command):
    """-> Acknowledged. Chunks and their checksums are the connection's business."""

    address: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChecksumMemory(Command):
    """v3 -> Acknowledged, `param` the BSD checksum of `size` bytes."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class SelfTest(Command):
    """A test of the firmware -> whatever that test answers; see the package for how its end is known.

    `extra`: upper half of the parameter, v3.
    """

    number: int
    extra: int = 0
    opt: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge(Command):
    """An ack that a self-test asks for; all others are sent by the connection itself."""

    param: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True)
class Request(Command):
    """Any other command number -> Acknowledged or Refused."""

    code: int
    param: int = 0
    name: str = ""
    opt: int = 0


@dataclass(frozen=True, slots=True)
class Disconnect(Command):
    """v3.2: packets go back to 32 bytes; no answer. Next comes a Sync."""
