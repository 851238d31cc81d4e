"""Protocol 3.0, 3.1 and 3.2: operators and tensors are messages of their own, not acknowledged by the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ai_runner.drivers.stm32.protocol import commands
from ai_runner.drivers.stm32.protocol.bulk import Path
from ai_runner.drivers.stm32.protocol.codec import Answer, Codec, milliseconds, runtime_id, text, version_of
from ai_runner.drivers.stm32.protocol.codes import AnswerState, CommandCode, OperatorFlag, RunParam, TensorFlag
from ai_runner.drivers.stm32.protocol.dialect import V3_2, Dialect
from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import (
    Elements,
    MemoryData,
    ModelDescription,
    NodeReport,
    RunReport,
    SystemInfo,
    Tensor,
    TensorDesc,
)
from ai_runner.drivers.stm32.protocol.packets import MAX_PACKET_SIZE, PACKET_SIZE, varint
from ai_runner.drivers.stm32.protocol.shapes import shown_shape
from ai_runner.drivers.stm32.protocol.transitions import Heard

_LAYER_TYPE = 0x7FFF
_MAX_RANK = 16
_MAX_COUNTERS = 1024
# As plain numbers: these are looked at for every message, and operators of flags are written in Python.
_NO_DATA, _LAST = int(TensorFlag.NO_DATA), int(TensorFlag.LAST)
_WITHOUT_TENSOR = int(OperatorFlag.WITHOUT_TENSOR)
_KEPT_DESCS, _KEPT_BYTES = 256, 256  # so many, none of them longer
_DATAS = b"\x22"  # the key of `aiDataMsg.datas`
_PARAM_OF = {
    "debug": RunParam.DEBUG,
    "const_value": RunParam.CONST_VALUE,
    "direct_write": RunParam.DIRECT_WRITE,
    "direct_read": RunParam.DIRECT_READ,
    "perf_only": RunParam.PERF,
}


class CodecV3(Codec):
    """v3.0, v3.1 with either packet header, v3.2."""

    FAMILY = "v3"
    BULK: ClassVar[Mapping[str, Path]] = {"data": (15, 4), "tensor": (17, 2, 4)}

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._descs: dict[bytes, TensorDesc] = {}
        self._input_size, self._input_message = -1, b""  # of the last input

    def readers(self) -> dict[str, Callable[..., Answer]]:
        return {
            "sinfo": self._read_system_info,
            "minfo": self._read_model,
            "op": self._read_operator,
            "tensor": self._read_tensor,
            "data": self._read_data,
        }

    def request_of(self, command: commands.Command) -> commands.Request:
        match command:
            case commands.ReadMemory(address, size):
                return commands.Request(CommandCode.MEMORY_READ, address, "", size)
            case commands.WriteMemory(address, data):
                return commands.Request(CommandCode.MEMORY_WRITE, address, "", len(data))
            case commands.ChecksumMemory(address, size):
                return commands.Request(CommandCode.MEMORY_CHECKSUM, address, "", size)
            case commands.Disconnect() if self.dialect.version >= V3_2.version:
                return commands.Request(CommandCode.DISCONNECT)
        return super().request_of(command)

    def run_request(self, run: commands.Run) -> commands.Request:
        param = RunParam.IO_ONLY
        if run.with_data:
            param |= RunParam.PER_LAYER | RunParam.PER_LAYER_WITH_DATA
        elif run.per_layer:
            param |= RunParam.PER_LAYER
        for option, flag in _PARAM_OF.items():
            if getattr(run, option):
                param |= flag
        return commands.Request(CommandCode.NETWORK_RUN, param, run.name, run.options << 8 | run.first_sample)

    def tensor_message(self, tensor: commands.SendTensor) -> bytes:
        size = len(tensor.data)
        if size != self._input_size:
            self._input_size, self._input_message = size, self.data_message(size, 0)
        return self._input_message

    def data_message(self, size: int, address: int) -> bytes:
        fields: bytes = self.classes["aiDataMsg"](type=0, size=size, addr=address).SerializeToString()
        return b"".join((fields, _DATAS, varint(size)))

    def _read_system_info(self, answer: Any, state: AnswerState) -> Answer:
        info = answer.sinfo
        field_5, field_6 = info.com_param_or_extra, info.extra
        packet_size = PACKET_SIZE
        if self.dialect.header_bytes == 2:
            packet_size = (field_5[-1] if field_5 else 0) or PACKET_SIZE
            if packet_size > MAX_PACKET_SIZE:
                raise ProtocolError(
                    f"packets of {packet_size} bytes announced, at most {MAX_PACKET_SIZE} are possible",
                    hint="the width of the packet header was taken for 2 bytes and is 1",
                )
        extra = tuple(field_6 if self.dialect.header_bytes == 2 else field_5)
        event = SystemInfo(info.devid, info.sclock, info.hclock, info.cache, extra, packet_size)
        return Answer(answer.reqid, state, ((Heard.SYSTEM_INFO, event),))

    def _read_model(self, answer: Any, state: AnswerState) -> Answer:
        info = answer.minfo
        runtime = runtime_id(info.rtid, self.dialect)
        event = ModelDescription(
            name=text(info.name),
            runtime=runtime,
            signature=text(info.signature),
            compile_datetime=text(info.compile_datetime),
            runtime_version=version_of(info.runtime_version),
            tool_version=version_of(info.tool_version),
            macc=info.n_macc,
            n_nodes=info.n_nodes,
            inputs=tuple(map(_desc, info.inputs)),
            outputs=tuple(map(_desc, info.outputs)),
            activations=tuple(map(_desc, info.activations)),
            params=tuple(map(_desc, info.params)),
            runtime_desc=text(info.runtime_desc),
            install_time=milliseconds(info, "n_install_time"),
            init_time=milliseconds(info, "n_init_time"),
        )
        return Answer(answer.reqid, state, ((Heard.MODEL, event),))

    def _read_operator(self, answer: Any, state: AnswerState) -> Answer:
        op = answer.op
        flags, layer_type = op.type >> 24, op.type & _LAYER_TYPE
        name, duration = text(op.name), milliseconds(op, "duration")
        counters = _counters(op.counters, op.counter_type >> 16)
        stack = op.stack_used if op.HasField("stack_used") and op.stack_used >= 0 else None
        heap = op.heap_used if op.HasField("heap_used") and op.heap_used >= 0 else None
        counter_type = op.counter_type & 0xFFFF
        if flags:
            node = NodeReport(name, layer_type, op.id, duration, counter_type, counters, stack, heap)
            heard = Heard.WHOLE_NODE if flags & _WITHOUT_TENSOR else Heard.NODE
            return Answer(answer.reqid, state, ((heard, node),))
        report = RunReport(name, duration, counter_type, counters, stack, heap)
        heard = Heard.LAST_REPORT if state is AnswerState.DONE else Heard.REPORT
        return Answer(answer.reqid, state, ((heard, report),))

    def _read_tensor(self, answer: Any, state: AnswerState, elements: Elements | None = None) -> Answer:
        tensor = answer.tensor
        desc = self._desc_of(tensor.desc)
        data = None if desc.flags & _NO_DATA else _elements(tensor.data, elements)
        if state is AnswerState.DONE:
            heard = Heard.FINAL_TENSOR
        else:
            heard = Heard.LAST_TENSOR if desc.flags & _LAST else Heard.TENSOR
        return Answer(answer.reqid, state, ((heard, Tensor(desc, data)),))

    def _desc_of(self, desc: Any) -> TensorDesc:
        """As `_desc`; a tensor is described again with every upload, word for word."""
        encoded: bytes = desc.SerializeToString()
        found = self._descs.get(encoded)
        if found is None:
            found = _desc(desc)
            if len(encoded) <= _KEPT_BYTES:
                if len(self._descs) >= _KEPT_DESCS:
                    self._descs.clear()
                self._descs[encoded] = found
        return found

    def _read_data(self, answer: Any, state: AnswerState, elements: Elements | None = None) -> Answer:
        event = MemoryData(answer.data.addr, bytes(_elements(answer.data, elements)))
        heard = Heard.LAST_DATA if state is AnswerState.DONE else Heard.DATA
        return Answer(answer.reqid, state, ((heard, event),), wants_ack=state is AnswerState.PROCESSING)


def _elements(data: Any, cut: Elements | None) -> Elements:
    elements: Elements = data.datas
    if cut is not None:
        if elements:
            raise ProtocolError("a message with the elements of a tensor twice")
        elements = cut
    if data.size != len(elements):
        raise ProtocolError(f"{len(elements)} bytes of data where {data.size} are announced")
    return elements


def _desc(desc: Any) -> TensorDesc:
    if len(desc.dims) > _MAX_RANK:
        raise ProtocolError(f"a tensor of {len(desc.dims)} dimensions")
    shape = shown_shape(desc.n_dims >> 24, desc.dims)
    return TensorDesc(text(desc.name), desc.format, desc.size, shape, desc.scale, desc.zeropoint, desc.addr, desc.flags)


def _counters(numbers: Sequence[int], layout: int) -> tuple[int, ...]:
    """Layout 0: pairs of low and high word; else 32-bit values."""
    if not numbers:
        return ()
    if len(numbers) > _MAX_COUNTERS:
        raise ProtocolError(f"{len(numbers)} counters of one operator")
    if layout != 0:
        return tuple(numbers)
    high = [*numbers[1::2], 0]
    return tuple(low | high[i] << 32 for i, low in enumerate(numbers[0::2]))
