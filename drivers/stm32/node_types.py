"""What the numbers of a node mean, runtime by runtime."""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol import NodeReport
from ai_runner.drivers.stm32.protocol.codes import Runtime
from ai_runner.st_node_types import node_type
from ai_runner.tflite_model.schema import operator_name

_ST_RUNTIMES = (Runtime.STM_AI, Runtime.STM_AI_RELOC)
_ATONN_KINDS = ("EpochHW", "EpochExtra", "EpochSW", "EpochHybrid", "EpochController")
_EPOCH = 0xFFFF


def type_name(runtime: int, layer_type: int) -> tuple[int, str]:
    """(number, name) of a layer type: ST's layer code, TFLite's builtin operator code, or ATONN's kind of epoch."""
    if runtime in _ST_RUNTIMES:
        return node_type(layer_type)
    if runtime == Runtime.TFLM:
        return layer_type, operator_name(layer_type, "")
    if runtime == Runtime.ATONN:
        kind = layer_type & 0xF
        return layer_type, _ATONN_KINDS[kind] if kind < len(_ATONN_KINDS) else "Epoch"
    return layer_type, "Node"


def m_id_of(runtime: int, node_id: int) -> int:
    """The layer of a node: its id, for ATONN the number of its (first) epoch."""
    return node_id & _EPOCH if runtime == Runtime.ATONN else node_id


def node_name(runtime: int, report: NodeReport, index: int) -> str:
    """The board's name of node number `index`, or the one that ST's client shows instead."""
    if report.name:
        return report.name
    return f"EpochBlock_{report.id & _EPOCH}" if runtime == Runtime.ATONN else f"ai_node_{index}"
