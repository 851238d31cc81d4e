"""Hashes in the forms that tools write them, and a model that has to be there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.model import DeviceInfo, ModelInfo, RuntimeInfo, TensorInfo
from ai_runner.model_hash import check_expected, expected_hash, normalised

TENSOR = TensorInfo("x", (1, 2), np.dtype(np.int8))
MODEL = ModelInfo("net", (TENSOR,), (TENSOR,), RuntimeInfo("p", "r"), DeviceInfo("HOST", "d", ""), hash="0xAB_CD12")


def test_forms_of_one_hash() -> None:
    assert {normalised(form) for form in ("0xABCD12", " abcd12", "0xab_cd_12", "ABCD12\n")} == {"abcd12"}


def test_a_file_stands_for_its_md5(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a model")
    assert expected_hash(str(path)) == hashlib.md5(b"a model", usedforsecurity=False).hexdigest()
    assert expected_hash("0x7469_6E79") == "74696e79"


def test_neither_file_nor_hash() -> None:
    with pytest.raises(InvalidParamError, match="neither a file nor a hash"):
        expected_hash("model.tflite")


def test_one_of_the_models_has_to_be_the_expected_one() -> None:
    other = replace(MODEL, name="other", hash="")
    check_expected([other, MODEL], "abcd12", "0xABCD12", "here", "do this")
    with pytest.raises(
        InvalidModelError, match=r"here: has another model than m\.tflite: other without hash, net 0xAB"
    ):
        check_expected([other, MODEL], "abcd13", "m.tflite", "here", "do this")
