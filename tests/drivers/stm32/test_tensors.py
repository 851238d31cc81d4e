"""Tensors from their description on the wire, and their elements from and to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ai_runner.drivers.stm32.protocol import TensorDesc
from ai_runner.drivers.stm32.tensors import Receiver, tensor_info, tensor_infos, unique_names, wire_samples
from ai_runner.errors import InvalidModelError, InvalidMsgError
from ai_runner.io_tensor import IOTensor
from ai_runner.model import TensorRole

F32, S8, Q7, S1, U1, S16 = 0x00821040, 0x00840440, 0x00840447, 0x008400C0, 0x000400C0, 0x00840840


def desc(form: int, *shape: int, **fields: object) -> TensorDesc:
    made = TensorDesc("t", form, int(np.prod(shape)), shape, 0.0, 0)
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "dtype"),
    [
        (F32, "float32"),
        (0x01821040, "float32"),
        (S8, "int8"),
        (0x00040440, "uint8"),
        (S16, "int16"),
        (0x00041040, "uint32"),
        (0x00842040, "int64"),
        (0x00060440, "bool"),
        (Q7, "int8"),
        (0x0084084F, "int16"),
        (S1, "int32"),
        (U1, "uint32"),
    ],
)
def test_format_words(form: int, dtype: str) -> None:
    info = tensor_info(desc(form, 1, 2, 32), "t", TensorRole.INPUT, "I.0")
    assert info.dtype == np.dtype(dtype)
    assert info.quantization is None


def test_packed_bits_are_words() -> None:
    given = desc(S1, 1, 3, 70, size=3 * 96)
    info = tensor_info(given, "t", TensorRole.INPUT, "I.0")
    assert info.shape == (1, 3, 70)
    assert info.sample_shape == (3, 3)
    assert info.size_bytes == 36
    words = IOTensor(info).pack(np.where(np.arange(210).reshape(1, 3, 70) % 3 == 0, -1, 1))
    (sample,) = wire_samples(words, info, given, const_value=False)
    assert len(sample) == 36
    assert wire_samples(words, info, given, const_value=True) == [sample[:4]]
    receiver = Receiver(info, 2)
    receiver.take(1, sample)
    np.testing.assert_array_equal(receiver.array[1], words[0], strict=True)


def test_fixed_point_is_told_by_the_format() -> None:
    info = tensor_info(desc(Q7, 1, 4), "t", TensorRole.OUTPUT, "O.0")
    assert info.format is not None
    assert IOTensor(info).get_quant_desc() == "Q1.7"


def test_scale_and_zero_point() -> None:
    info = tensor_info(desc(S8, 1, 4, scale=0.25, zero_point=-3), "t", TensorRole.INPUT, "I.0")
    assert info.quantization is not None
    assert (info.quantization.scale, info.quantization.zero_point) == ((0.25,), (-3,))


def test_padding_is_sent_and_dropped() -> None:
    given = desc(S16, 1, 5, size=6)
    info = tensor_info(given, "t", TensorRole.INPUT, "I.0")
    array = np.arange(10, dtype=np.int16).reshape(2, 5)
    samples = wire_samples(array, info, given, const_value=False)
    assert [len(sample) for sample in samples] == [12, 12]
    receiver = Receiver(info, 2)
    for i, sample in enumerate(samples):
        receiver.take(i, sample)
    np.testing.assert_array_equal(receiver.array, array, strict=True)


@pytest.mark.parametrize("data", [None, b"", b"123", bytes(8)])
def test_other_sizes_are_refused(data: bytes | None) -> None:
    receiver = Receiver(tensor_info(desc(S8, 1, 4), "t", TensorRole.OUTPUT, "O.0"), 1)
    with pytest.raises(InvalidMsgError, match="tensor t"):
        receiver.take(0, data)


def test_elements_without_a_type_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="0x00000040"):
        tensor_info(desc(0x40, 1, 4), "t", TensorRole.INPUT, "I.0")


@pytest.mark.parametrize("shape", [(1, 0), (1, 1 << 31, 1 << 31)])
def test_impossible_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidMsgError, match="describes tensor"):
        tensor_info(desc(F32, *shape), "t", TensorRole.INPUT, "I.0")


def test_names_are_made_up_and_unique() -> None:
    unnamed = replace(desc(S8, 1, 4), name="")
    infos = tensor_infos([unnamed, desc(S8, 1, 4), desc(S8, 1, 4)], TensorRole.INPUT)
    assert [info.name for info in infos] == ["input_1", "t", "t_2"]
    assert [info.tag for info in infos] == ["I.0", "I.1", "I.2"]
    assert unique_names(["a", "a_2", "a", "a"]) == ["a", "a_2", "a_3", "a_4"]
