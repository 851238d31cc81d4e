"""Message classes made at run time from the descriptor sets of this package.

No generated code is shipped: generated code is tied to a range of protobuf releases, a descriptor set is not. Each
family gets a descriptor pool of its own, so that neither another family nor another package that registers ST's own
schema can clash with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

FAMILIES = ("v2", "v3")


@cache
def message_classes(family: str) -> Mapping[str, Any]:
    """The classes of a family by message name, ``reqMsg``, ``respMsg``, ...; imports protobuf when first called.

    Args:
        family: one of `FAMILIES`.

    Raises:
        KeyError: there is no such family.
    """
    if family not in FAMILIES:
        raise KeyError(family)
    from importlib.resources import files

    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    schema = files("ai_runner.firmware_proto").joinpath(f"stm32msg_{family}.desc").read_bytes()
    pool = DescriptorPool()
    classes = {}
    for file in FileDescriptorSet.FromString(schema).file:
        pool.AddSerializedFile(file.SerializeToString())
        for message in file.message_type:
            classes[message.name] = GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
    return MappingProxyType(classes)
