"""The messages of an .onnx file, as far as this driver reads them.

Field numbers are those of the ONNX specification (onnx.proto, IR version 3 and later). Fields that are not named here
survive reading and writing untouched, so that a changed model is the whole model. Texts are bytes here: what a broken
file has in place of a text is found where it is decoded.
"""

from __future__ import annotations

from functools import cache
from typing import Any

# Message -> field -> (number, type); "*" is repeated, "**" repeated and packed; capitals are messages of this table.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph")},
    "Graph": {
        "node": (1, "*Node"),
        "initializer": (5, "*Tensor"),
        "input": (11, "*ValueInfo"),
        "output": (12, "*ValueInfo"),
        "sparse_initializer": (15, "*SparseTensor"),
    },
    "Node": {
        "input": (1, "*bytes"),
        "output": (2, "*bytes"),
        "name": (3, "bytes"),
        "op_type": (4, "bytes"),
        "attribute": (5, "*Attribute"),
    },
    "Attribute": {
        "name": (1, "bytes"),
        "i": (3, "int64"),
        "t": (5, "Tensor"),
        "g": (6, "Graph"),
        "tensors": (10, "*Tensor"),
        "graphs": (11, "*Graph"),
    },
    "Tensor": {
        "dims": (1, "*int64"),
        "data_type": (2, "int32"),
        "float_data": (4, "**float"),
        "int32_data": (5, "**int32"),
        "int64_data": (7, "**int64"),
        "name": (8, "bytes"),
        "raw_data": (9, "bytes"),
        "external_data": (13, "*Entry"),
        "data_location": (14, "int32"),
    },
    "SparseTensor": {"values": (1, "Tensor")},
    "Entry": {"key": (1, "bytes"), "value": (2, "bytes")},
    "ValueInfo": {"name": (1, "bytes"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {},
}


@cache
def model_class() -> Any:
    """The class of a whole file's message, from a pool of its own: the package `onnx` may be loaded besides."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="ai_runner_onnx.proto", package="ai_runner.onnx", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number, label=kinds.LABEL_OPTIONAL)
            if kind.startswith("*"):
                field.label = kinds.LABEL_REPEATED
            if kind.startswith("**"):
                field.options.packed = True
            kind = kind.lstrip("*")
            if kind in _MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".ai_runner.onnx.{kind}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ai_runner.onnx.Model"))
