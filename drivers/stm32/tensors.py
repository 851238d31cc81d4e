"""Tensors of a board: from their description on the wire, and their elements from and to the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from ai_runner.driver import Array
from ai_runner.drivers.stm32.protocol import Elements, Limits, TensorDesc
from ai_runner.drivers.stm32.protocol.codes import TensorFlag
from ai_runner.errors import InvalidModelError, InvalidMsgError
from ai_runner.model import TensorInfo, TensorRole
from ai_runner.quantization import Quantization
from ai_runner.tensor_format import TensorFormat

# Firmware rounds the size of a tensor up; ST's client tolerates as many elements.
MAX_PADDING = 3
_VIEWED = 1024  # bytes: fewer are copied faster than looked at
_MAX_BYTES = Limits().message_bytes


def tensor_info(desc: TensorDesc, name: str, role: TensorRole, tag: str) -> TensorInfo:
    """Description of a tensor called `name`.

    Raises:
        InvalidModelError: numpy has no type for its elements.
        InvalidMsgError: it is empty, or larger than any message.
    """
    form = TensorFormat.decode(desc.format)
    dtype = form.dtype
    if dtype is None:
        raise InvalidModelError(
            f"tensor {name}: elements of format {desc.format:#010x} are not supported",
            hint="float16/32/64, bool, integers of 8 to 64 bits, Q numbers and packed bits are",
        )
    info = TensorInfo(
        name=name,
        shape=desc.shape,
        dtype=dtype,
        quantization=Quantization((desc.scale,), (desc.zero_point,)) if desc.scale else None,
        role=role,
        tag=tag,
        memory_pool="in 'activations' buffer" if desc.flags & TensorFlag.IN_MEMPOOL else "user",
        address=desc.address,
        format=form if form.packed or form.fixed_point else None,
    )
    if not 0 < info.size_bytes <= _MAX_BYTES:
        raise InvalidMsgError(f"the board describes tensor {name} of shape {list(desc.shape)}, {info.size_bytes} bytes")
    return info


def tensor_infos(descs: Sequence[TensorDesc], role: TensorRole) -> tuple[TensorInfo, ...]:
    """The inputs or outputs of a model: ``input_1``, ... where the board has no name; raises as `tensor_info`."""
    kind = role.name.lower()
    names = unique_names(desc.name or f"{kind}_{k}" for k, desc in enumerate(descs, 1))
    return tuple(
        tensor_info(desc, name, role, f"{role.name[0]}.{k}")
        for k, (desc, name) in enumerate(zip(descs, names, strict=True))
    )


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, those that were there before with ``_2``, ``_3``, ... behind."""
    found: dict[str, None] = {}
    for name in names:
        free, number = name, 1
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found[free] = None
    return list(found)


def wire_samples(array: Array, info: TensorInfo, desc: TensorDesc, const_value: bool) -> list[Elements]:
    """The samples of a batch as messages carry them: views of `array` where they are in it as they are sent.

    Args:
        array: ``(batch,) + sample_shape``, C-contiguous.
        info, desc: of the tensor.
        const_value: only the first element (the first word of packed bits) of each.
    """
    little = array.astype(info.dtype.newbyteorder("<"), copy=False)
    if const_value:
        flat = little.reshape(len(little), -1)
        return [flat[i, :1].tobytes() for i in range(len(flat))]
    missing = desc.size - prod(desc.shape)
    if info.format is None and 0 < missing <= MAX_PADDING:
        tail = bytes(missing * info.dtype.itemsize)
        return [little[i].tobytes() + tail for i in range(len(little))]
    if little[0].nbytes < _VIEWED:
        return [little[i].tobytes() for i in range(len(little))]
    rows = np.ascontiguousarray(little).reshape(len(little), -1).view(np.uint8)
    return [row.data for row in rows]


class Receiver:
    """Where a tensor of every sample goes."""

    def __init__(self, info: TensorInfo, batch: int) -> None:
        self.info = info
        self._batch = batch
        self._array: Array | None = None
        self._wire_dtype = info.dtype.newbyteorder("<")
        self._size = info.size_bytes
        self._largest = self._size + MAX_PADDING * info.dtype.itemsize

    @property
    def array(self) -> Array:
        """``(batch,) + sample_shape``, native byte order; samples that have not been taken hold anything."""
        if self._array is None:
            self._array = np.empty((self._batch, *self.info.sample_shape), self.info.dtype)
        return self._array

    def take(self, sample: int, data: Elements | None) -> None:
        """Stores the elements of one sample, without their padding.

        Raises:
            InvalidMsgError: they are not as many as the tensor has, or there are none.
        """
        size = 0 if data is None else len(data)
        if data is None or not self._size <= size <= self._largest:
            raise InvalidMsgError(
                f"the board sent {size} bytes of tensor {self.info.name}, which has {self._size}", retryable=True
            )
        if size > self._size:
            data = data[: self._size]
        row = np.frombuffer(data, self._wire_dtype).reshape(self.info.sample_shape)
        if self._batch == 1 and row.flags.behaved and row.dtype.isnative:
            self._array = row[np.newaxis]  # a view of memory that came for this tensor: new pages would cost more
        else:
            self.array[sample] = row
