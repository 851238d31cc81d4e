"""What a .tflite model and its runtime are, in the words of ai_runner.model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ai_runner.drivers.tflite.execution import Execution
from ai_runner.drivers.tflite.runtime import Runtime
from ai_runner.errors import InvalidModelError
from ai_runner.host import host_device
from ai_runner.model import (
    Caps,
    MemoryPool,
    ModelInfo,
    NodeInfo,
    RuntimeInfo,
    TensorInfo,
    TensorRole,
    model_name,
)
from ai_runner.rerun import MODEL_INPUT, TensorPlace
from ai_runner.tflite_model import TfliteModel


def model_info(
    model: TfliteModel,
    execution: Execution,
    capabilities: tuple[Caps, ...],
    attributes: Mapping[str, str],
    labels: Sequence[tuple[str, ...]] = (),
) -> ModelInfo:
    """Describes the model as `execution` has allocated it.

    Args:
        labels: along the last dimension of every output; those of another number than that dimension are left out.

    Raises:
        InvalidModelError: an input or output has a type that is no plain numpy type (strings, 4-bit integers, ...).
    """
    shapes = execution.shapes()
    return ModelInfo(
        name=model_name(model.path),
        inputs=tuple(_end(model, i, shapes[i], TensorRole.INPUT, k) for k, i in enumerate(model.inputs)),
        outputs=tuple(
            _labelled(_end(model, i, shapes[i], TensorRole.OUTPUT, k), labels[k] if k < len(labels) else ())
            for k, i in enumerate(model.outputs)
        ),
        runtime=_runtime_info(execution.runtime, capabilities, attributes),
        device=host_device(),
        n_nodes=len(model.operators),
        hash=f"0x{model.md5}",
        params=(MemoryPool("weights", sum(t.data.nbytes for t in model.tensors if t.data is not None)),),
    )


def node_info(model: TfliteModel, index: int, shapes: Mapping[int, tuple[int, ...]]) -> NodeInfo:
    """Describes operator `index`; tensors without a plain numpy type (resources, strings) are left out.

    Args:
        shapes: of the operator's outputs by tensor number, where they are known better than from the file.
    """
    operator = model.operators[index]
    return NodeInfo(
        name=f"{operator.name.lower()}_{index}",
        m_id=index,
        type_id=0,
        type_name=operator.name,
        outputs=tuple(
            _tensor_info(model, i, shapes.get(i), TensorRole.INTERNAL, f"N.{index}.{k}", f"{operator.name}_{index}_{k}")
            for k, i in enumerate(numeric_outputs(model, index))
        ),
        reads=_reads(model, index),
    )


def computed_inputs(model: TfliteModel, index: int) -> tuple[int, ...]:
    """Numbers of the tensors that operator `index` reads and something computes, each once."""
    numbers = dict.fromkeys(i for i in model.operators[index].inputs if i >= 0)
    return tuple(i for i in numbers if model.tensors[i].data is None and is_numeric(model, i))


def _reads(model: TfliteModel, index: int) -> tuple[TensorPlace, ...]:
    places: dict[int, TensorPlace] = {number: (MODEL_INPUT, k) for k, number in enumerate(model.inputs)}
    for operator in model.operators[:index]:
        places |= {number: (operator.index, k) for k, number in enumerate(numeric_outputs(model, operator.index))}
    return tuple(places[number] for number in computed_inputs(model, index) if number in places)


def numeric_outputs(model: TfliteModel, index: int) -> tuple[int, ...]:
    """Numbers of the tensors of operator `index` that numpy can show."""
    return tuple(i for i in model.operators[index].outputs if i >= 0 and is_numeric(model, i))


def is_numeric(model: TfliteModel, tensor: int) -> bool:
    """True when the tensor has a plain numpy type."""
    dtype = model.tensors[tensor].dtype
    return dtype is not None and dtype.kind in "biuf"


def _end(model: TfliteModel, index: int, shape: tuple[int, ...], role: TensorRole, position: int) -> TensorInfo:
    word, tag = ("input", f"I.{position}") if role is TensorRole.INPUT else ("output", f"O.{position}")
    if not is_numeric(model, index):
        raise InvalidModelError(
            f"{model.path}: {word} {position} has type {model.tensors[index].type_name}, which arrays cannot hold",
            hint="inputs and outputs have to be booleans, integers of 8 to 64 bits or floats of 16 to 64 bits",
        )
    return _tensor_info(model, index, shape, role, tag, f"{word}_{position + 1}")


def _tensor_info(
    model: TfliteModel, index: int, shape: tuple[int, ...] | None, role: TensorRole, tag: str, unnamed: str
) -> TensorInfo:
    tensor = model.tensors[index]
    return TensorInfo(
        name=tensor.name or unnamed,
        shape=tuple(1 if d < 0 else d for d in tensor.shape) if shape is None else shape,
        dtype=np.dtype(tensor.dtype).newbyteorder("="),
        quantization=tensor.quantization,
        role=role,
        tag=tag,
    )


def _labelled(tensor: TensorInfo, labels: tuple[str, ...]) -> TensorInfo:
    if labels and tensor.shape and tensor.shape[-1] == len(labels):
        return replace(tensor, labels=labels)
    return tensor


def _runtime_info(runtime: Runtime, capabilities: tuple[Caps, ...], attributes: Mapping[str, str]) -> RuntimeInfo:
    return RuntimeInfo(
        protocol="Python API of the TensorFlow Lite interpreter",
        name=runtime.name,
        version=runtime.version_numbers,
        rt_lib_desc=f"{runtime.name} {runtime.version}, {attributes['kernels']} kernels",
        capabilities=capabilities,
        attributes=attributes,
    )
