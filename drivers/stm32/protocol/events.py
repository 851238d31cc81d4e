"""What a device tells, the same for every dialect. All frozen; times in ms, clocks in Hz, sizes in bytes.

A time, a counter or a usage that the device did not measure is None or empty, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.drivers.stm32.protocol.codes import AnswerState, Capability
from ai_runner.drivers.stm32.protocol.dialect import Dialect

Version = tuple[int, int, int]
Elements = bytes | memoryview


class Event:
    """Base of everything that `Connection.next_event` returns, but for NEED_DATA."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RuntimeId:
    """A decoded `rtid`; numbers as in `codes.Runtime`, `RuntimeApi`, `Tool` and `NotGiven`, unknown ones included.

    Attributes:
        runtime: the inference engine.
        api: or-ed; 0 in v2.2 and v3.0, which do not tell.
        tool: the compiler; 0 in a v3.0 model description: there only `SyncReply.runtime` has it.
        not_given: what a model description leaves out; 0 in `SyncReply`.
    """

    runtime: int
    api: int = 0
    tool: int = 0
    not_given: int = 0


@dataclass(frozen=True, slots=True)
class SyncReply(Event):
    """The device is there and idle. `version` is what it says; `dialect` is how it will be spoken to."""

    dialect: Dialect
    version: tuple[int, int]
    capabilities: Capability
    runtime: RuntimeId | None


@dataclass(frozen=True, slots=True)
class SystemInfo(Event):
    """The device itself.

    Attributes:
        devid: ST's number of the device.
        sclock, hclock: system and bus clock, Hz.
        cache: word of caches, FPU and flash latency; its layout depends on the series in bits 31..24.
        extra: further numbers, on N6: count or misc, NPU Hz, NIC Hz.
        packet_size: payload bytes of a packet from now on.
    """

    devid: int
    sclock: int
    hclock: int
    cache: int
    extra: tuple[int, ...]
    packet_size: int


@dataclass(frozen=True, slots=True)
class TensorDesc:
    """A tensor as the device describes it.

    Attributes:
        name: '' in v2, and where the device has none.
        format: ST's format word as sent; `ai_runner.tensor_format` decodes it.
        size: elements, padding included.
        shape: in the order shown to users, with B, H, W, C in v2.
        scale, zero_point: scale 0 where the tensor is not quantised.
        address: in the device's memory, 0 when unknown.
        flags: `codes.TensorFlag`; 0 in v2.
    """

    name: str
    format: int
    size: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    address: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class ModelDescription(Event):
    """A model of the device.

    Attributes:
        name: what a run names it by.
        signature: of the model file, as text.
        activations, params: memory, as tensors of bytes; v2 has one each, without name.
        runtime: of v3; v2.2 tells it in `SyncReply`, v2.1 not at all.
        runtime_desc: v3.1 on, free text; its last word, when hexadecimal, is the hash of the build.
        install_time, init_time: v3.2, ms.
        model_datetime, runtime_revision, tool_revision, tool_api_version, api_version, interface_api_version: of v2.
    """

    name: str
    signature: str
    compile_datetime: str
    runtime_version: Version
    tool_version: Version
    macc: int
    n_nodes: int
    inputs: tuple[TensorDesc, ...]
    outputs: tuple[TensorDesc, ...]
    activations: tuple[TensorDesc, ...]
    params: tuple[TensorDesc, ...]
    runtime: RuntimeId | None = None
    runtime_desc: str = ""
    install_time: float | None = None
    init_time: float | None = None
    model_datetime: str = ""
    runtime_revision: str = ""
    tool_revision: str = ""
    tool_api_version: Version | None = None
    api_version: Version | None = None
    interface_api_version: Version | None = None


@dataclass(frozen=True, slots=True)
class InputWanted(Event):
    """The device waits for input number `index`: answer with `SendTensor`.

    `announced`: size of input 0, in bytes (v3) or elements (v2); None for the others.
    """

    index: int
    announced: int | None


@dataclass(frozen=True, slots=True)
class InputsTaken(Event):
    """All inputs have arrived; the model runs."""


@dataclass(frozen=True, slots=True)
class NodeReport(Event):
    """A node has run. Its tensors follow, before the next NodeReport.

    Attributes:
        name: '' where the device sends none, always in v2.
        layer_type: number of the operator in its runtime.
        id: of the node; ATONN: epoch in bits 15..0, last epoch in bits 31..16.
        duration: ms.
        counter_type: 0 CPU cycles, else the runtime's own.
        counters: since the node's start.
        stack_used, heap_used: bytes.
    """

    name: str
    layer_type: int
    id: int
    duration: float | None
    counter_type: int = 0
    counters: tuple[int, ...] = ()
    stack_used: int | None = None
    heap_used: int | None = None


@dataclass(frozen=True, slots=True)
class RunReport(Event):
    """The model has run; its outputs follow. Comes once a run, in every dialect.

    `duration`, ms, includes the upload of nodes where nodes were asked for: add up the nodes instead. `n_nodes` only
    in v2 and where nodes were asked for. The rest as in NodeReport.
    """

    name: str
    duration: float | None
    counter_type: int = 0
    counters: tuple[int, ...] = ()
    stack_used: int | None = None
    heap_used: int | None = None
    n_nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Tensor(Event):
    """A tensor: of the last NodeReport until the RunReport comes, an output after it, in order.

    `data`: elements in C order, little-endian; of large tensors a view, of memory that is used for nothing else; None
    where they were not uploaded.
    """

    desc: TensorDesc
    data: Elements | None


@dataclass(frozen=True, slots=True)
class MemoryData(Event):
    """A piece of the memory that is being read, and where it belongs."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged(Event):
    """The device's ack where a command answers with nothing else. What `param` is depends on the command."""

    state: AnswerState
    param: int


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The command is over with an error of the device; `error` as in `codes.ErrorCode`, unknown numbers included.

    An enumeration of models ends this way (INVALID_PARAM). `param` is the number of bytes taken under INVALID_SIZE.
    """

    error: int
    param: int


@dataclass(frozen=True, slots=True)
class LogMessage(Event):
    """A line of the device's log; already acknowledged. Level 1 info, 2 debug, 3 warning, above error.

    A text ``s:<category>:<sub>:<values>`` is meant for machines.
    """

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class StaleAnswer(Event):
    """An answer to a request of earlier, dropped; only while a SyncReply is awaited."""

    reqid: int
