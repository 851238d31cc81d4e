from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ai_runner.drivers.c_library.memory import Block, weight_blocks, weights_for
from ai_runner.errors import InvalidModelError, InvalidParamError


def test_blocks_are_zeroed_aligned_and_hold_what_they_are_given() -> None:
    block = Block(100)
    assert block.address % 64 == 0
    assert bytes(block.view) == bytes(100)
    assert bytes(Block.holding(b"abc").view) == b"abc"
    assert len(Block(0).view) == 0
    with pytest.raises(InvalidModelError, match="asks for"):
        Block(1 << 40)


def test_every_form_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"12")
    array = np.array([[1, 2], [3, 4]], np.int16)
    assert weights_for(None, "n") == []
    assert weights_for(b"12", "n") == [b"12"]
    assert weights_for(str(file), "n") == [b"12"]
    assert weights_for([bytearray(b"1"), memoryview(b"2"), file], "n") == [b"1", b"2", b"12"]
    assert weights_for((array.T,), "n") == [array.T.tobytes()]
    assert weights_for({"n": [b"1"], "m": b"2"}, "n") == [b"1"]
    assert weights_for({"m": b"2"}, "n") == []


@pytest.mark.parametrize("weights", [5, [5], ["nowhere.bin"], object()])
def test_what_is_no_weights(weights: object) -> None:
    with pytest.raises(InvalidParamError, match="weights"):
        weights_for(weights, "n")


def test_number_and_sizes_must_fit() -> None:
    assert [len(block.view) for block in weight_blocks("n", [b"12", b"3"], [2, 1])] == [2, 1]
    with pytest.raises(InvalidParamError, match=r"2 \+ 1 bytes given, 3 bytes expected"):
        weight_blocks("n", [b"12", b"3"], [3])
    with pytest.raises(InvalidParamError, match="2 bytes given, none expected"):
        weight_blocks("n", [b"12"], [])
