"""Protocol 2.1 and 2.2: nodes and outputs are `node` messages, each acknowledged by the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, ClassVar

from ai_runner.drivers.stm32.protocol import commands
from ai_runner.drivers.stm32.protocol.bulk import Path
from ai_runner.drivers.stm32.protocol.codec import Answer, Codec, milliseconds, text, version_of
from ai_runner.drivers.stm32.protocol.codes import AnswerState, CommandCode, InspectorParam, NodeFlag
from ai_runner.drivers.stm32.protocol.dialect import V2_2
from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import (
    Elements,
    ModelDescription,
    NodeReport,
    RunReport,
    SystemInfo,
    Tensor,
    TensorDesc,
)
from ai_runner.drivers.stm32.protocol.packets import PACKET_SIZE, varint
from ai_runner.drivers.stm32.protocol.transitions import Heard
from ai_runner.errors import InvalidParamError

_LAYER_CODE = 0x7FFF
_DATAS = b"\x12"  # the key of `aiBufferByteMsg.datas`
_V3_ONLY = ("const_value", "perf_only", "debug", "direct_write", "direct_read", "options")


class CodecV2(Codec):
    """v2.1 and v2.2. They differ in what may be absent, and in a node of v2.2 having several tensors."""

    FAMILY = "v2"
    BULK: ClassVar[Mapping[str, Path]] = {"node": (14, 4, 2)}
    REPEATS = True

    def readers(self) -> dict[str, Callable[..., Answer]]:
        return {
            "sinfo": self._read_system_info,
            "node": self._read_node,
            "ninfo": self._read_model,
            "report": self._read_report,
        }

    def run_request(self, run: commands.Run) -> commands.Request:
        for option in _V3_ONLY:
            if getattr(run, option):
                raise InvalidParamError(
                    f"protocol {self.dialect.name} has no run with {option}", hint="firmware of protocol 3 has"
                )
        param = InspectorParam.NORMAL
        if run.with_data:
            param = InspectorParam.WITH_DATA
        elif run.per_layer:
            param = InspectorParam.WITHOUT_DATA
        return commands.Request(CommandCode.NETWORK_RUN, param, run.name, 0)

    def tensor_message(self, tensor: commands.SendTensor) -> bytes:
        desc = tensor.desc
        if desc is None or len(desc.shape) != 4:
            raise InvalidParamError(f"protocol {self.dialect.name} sends a tensor with its description of 4 dimensions")
        # The device compares format word and dimensions with its own; the rest has to be there only.
        fields = dict(zip(("n_batches", "height", "width", "channels"), desc.shape, strict=True))
        if self.dialect.version >= V2_2.version:
            fields["addr"] = 0
        shape = self.classes["aiBufferShapeMsg"](format=desc.format, scale=0.0, zeropoint=0, **fields)
        encoded: bytes = self.classes["aiBufferByteMsg"](shape=shape).SerializeToString()
        return b"".join((encoded, _DATAS, varint(len(tensor.data))))

    def _read_log(self, answer: Any, state: AnswerState) -> Answer:
        read = super()._read_log(answer, state)
        if state is not AnswerState.DONE:
            return read
        return Answer(read.reqid, state, ((Heard.LAST_LOG, read.steps[0][1]),), wants_ack=True)

    def _read_system_info(self, answer: Any, state: AnswerState) -> Answer:
        info = answer.sinfo
        event = SystemInfo(info.devid, info.sclock, info.hclock, info.cache, (), PACKET_SIZE)
        return Answer(answer.reqid, state, ((Heard.SYSTEM_INFO, event),))

    def _read_model(self, answer: Any, state: AnswerState) -> Answer:
        info = answer.ninfo
        event = ModelDescription(
            name=text(info.model_name),
            signature=text(info.model_signature),
            model_datetime=text(info.model_datetime),
            compile_datetime=text(info.compile_datetime),
            runtime_revision=text(info.runtime_revision),
            runtime_version=version_of(info.runtime_version),
            tool_revision=text(info.tool_revision),
            tool_version=version_of(info.tool_version),
            tool_api_version=version_of(info.tool_api_version),
            api_version=version_of(info.api_version),
            interface_api_version=version_of(info.interface_api_version),
            macc=info.n_macc,
            n_nodes=info.n_nodes,
            inputs=tuple(map(_desc, info.inputs)),
            outputs=tuple(map(_desc, info.outputs)),
            activations=(_desc(info.activations),) if info.HasField("activations") else (),
            params=(_desc(info.weights),) if info.HasField("weights") else (),
        )
        return Answer(answer.reqid, state, ((Heard.MODEL, event),))

    def _read_node(self, answer: Any, state: AnswerState, elements: Elements | None = None) -> Answer:
        node = answer.node
        flags, duration = node.type >> 16, milliseconds(node, "duration")
        buffer = node.buffer
        if buffer.HasField("datas"):
            if elements is not None:
                raise ProtocolError("a message with the elements of a tensor twice")
            elements = buffer.datas
        tensor = Tensor(_desc(buffer.shape), elements)
        wants_ack = state is AnswerState.PROCESSING
        if flags:
            report = NodeReport("", node.type & _LAYER_CODE, node.id, duration)
            heard = Heard.TENSOR if flags & NodeFlag.DATA_NO_LAST else Heard.LAST_TENSOR
            return Answer(answer.reqid, state, ((Heard.NODE, report), (heard, tensor)), wants_ack)
        # The time of a run without nodes is told by its outputs only.
        heard = Heard.FINAL_TENSOR if state is AnswerState.DONE else Heard.TENSOR
        return Answer(answer.reqid, state, ((Heard.REPORT, RunReport("", duration)), (heard, tensor)), wants_ack)

    def _read_report(self, answer: Any, state: AnswerState) -> Answer:
        report = answer.report
        event = RunReport("", milliseconds(report, "elapsed_ms"), n_nodes=report.n_nodes)
        return Answer(answer.reqid, state, ((Heard.REPORT, event),), wants_ack=True)


def _desc(shape: Any) -> TensorDesc:
    dims = (shape.n_batches, shape.height, shape.width, shape.channels)
    return TensorDesc("", shape.format, prod(dims), dims, shape.scale, shape.zeropoint, shape.addr)
