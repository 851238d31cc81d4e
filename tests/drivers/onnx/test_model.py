"""The reader of .onnx files: what it takes, and that nothing broken gets further than a typed error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.drivers.onnx.model import MARK, OnnxModel, unique_names
from ai_runner.drivers.onnx.profile import kernel_times
from ai_runner.errors import InvalidModelError, InvalidParamError


@pytest.mark.parametrize("raw", [b"", b"garbage" * 10, b"TFL3" * 20, b"\x3a\x00"[:1], b"\x08\x07"])
def test_what_is_no_model(raw: bytes) -> None:
    with pytest.raises(InvalidModelError, match="not an ONNX model") as caught:
        OnnxModel(raw, "x.onnx")
    assert caught.value.evidence["size"] == len(raw)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(InvalidParamError, match="cannot read the model"):
            OnnxModel.read(str(path))


@given(st.binary(max_size=200))
def test_random_bytes_are_a_model_or_a_typed_error(raw: bytes) -> None:
    for prefix in (b"", b"\x3a" + bytes([len(raw) & 0x7F])):
        with suppress(InvalidModelError):
            explore(OnnxModel(prefix + raw, "random"))


def explore(model: OnnxModel) -> None:
    names = {name for node in model.nodes for name in (*node.inputs, *node.outputs)}
    for name in names | model.constants:
        model.constant(name)
    assert model.weight_bytes >= 0
    OnnxModel(model.observable(sorted(names)), "again")


def test_a_model_cut_anywhere_or_with_a_bit_turned_is_a_model_or_a_typed_error(models: Any) -> None:
    raw = models.qdq().read_bytes()
    random = np.random.default_rng(3)
    damaged = [raw[:n] for n in range(0, len(raw), 7)]
    for _ in range(300):
        changed = bytearray(raw)
        changed[random.integers(len(raw))] ^= 1 << random.integers(8)
        damaged.append(bytes(changed))
    for case in damaged:
        with suppress(InvalidModelError):
            explore(OnnxModel(case, "damaged"))


@pytest.mark.parametrize("place", ["/etc/passwd", "../weights.bin", "a/../../b", r"C:\weights.bin", r"..\w.bin", "C:w"])
@pytest.mark.parametrize("where", ["initializer", "attribute", "inner graph"])
def test_weights_outside_of_the_folder_are_refused(models: Any, place: str, where: str) -> None:
    import onnx

    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    path = models.mlp()
    model = onnx.load(path)
    if where == "initializer":
        model.graph.initializer.append(tensor)
    elif where == "attribute":
        model.graph.node.append(onnx.helper.make_node("Constant", [], ["w"], value=tensor))
    else:
        inner = onnx.helper.make_graph([], "inner", [], [], [tensor])
        model.graph.node.append(onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner))
    with pytest.raises(InvalidModelError, match="outside of its own folder"):
        OnnxModel(model.SerializeToString(), "m.onnx")


def test_weights_in_a_file_beside_the_model(models: Any, tmp_path: Path) -> None:
    import onnx

    from ai_runner import AiRunner

    x = np.ones((1, 16), np.float32)
    path = models.mlp()
    with AiRunner.open(f"onnx:{path}") as runner:
        expected = runner.run(x).outputs[0]
    outside = tmp_path / "elsewhere" / "outside.onnx"
    outside.parent.mkdir()
    options = {"all_tensors_to_one_file": True, "location": "w.bin", "size_threshold": 0}
    onnx.save_model(onnx.load(path), str(outside), save_as_external_data=True, **options)
    assert (outside.parent / "w.bin").stat().st_size >= 16 * 8 * 4
    with AiRunner.open(f"onnx:{outside}") as runner:
        np.testing.assert_array_equal(runner.run(x).outputs[0], expected)


def test_constants(models: Any) -> None:
    from onnx import helper

    nodes = [
        models.node("Constant", [], ["c"], value=helper.make_tensor("c", 1, [2], [1.5, 2.5])),
        models.node("Add", ["c", "w"], ["cw"]),
        models.node("Add", ["x", "cw"], ["y"]),
        models.node("RandomNormal", [], ["noise"], shape=[2]),
    ]
    ends = {"x": ("FLOAT", [2])}, {"y": ("FLOAT", [2])}
    model = OnnxModel.read(str(models.write(nodes, *ends, {"w": np.array([3, 4], np.float32)})))
    assert model.constants == {"c", "w", "cw"}
    np.testing.assert_array_equal(model.constant("c"), np.array([1.5, 2.5], np.float32), strict=True)
    np.testing.assert_array_equal(model.constant("w"), np.array([3, 4], np.float32), strict=True)
    assert model.constant("cw") is model.constant("x") is None


@pytest.mark.parametrize(("kind", "dtype"), [(3, "i1"), (2, "u1"), (5, "i2"), (6, "i4"), (7, "i8"), (1, "f4")])
def test_constants_that_are_not_raw(kind: int, dtype: str) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx writes the model of this test")
    values = [1, 2, 3]
    tensor = onnx.helper.make_tensor("w", kind, [3], values)
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    model = OnnxModel(onnx.helper.make_model(graph).SerializeToString(), "m")
    np.testing.assert_array_equal(model.constant("w"), np.array(values, dtype), strict=True)


def test_an_observable_model_keeps_all_but_names(models: Any) -> None:
    import onnx

    path = models.qdq()
    before, after = onnx.load(path), onnx.load_from_string(OnnxModel.read(str(path)).observable(["c", "y"]))
    assert [node.name for node in after.graph.node] == [f"{MARK}{i}" for i in range(8)]
    assert [value.name for value in after.graph.output] == ["y", "c"]
    for node in (*before.graph.node, *after.graph.node):
        node.ClearField("name")
    del after.graph.output[1:]
    assert before == after


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "b"]), max_size=8))
def test_unique_names_are_unique_and_change_no_first_one(names: list[str]) -> None:
    found = unique_names(names)
    assert len(set(found)) == len(names) == len(found)
    for position, name in enumerate(names):
        assert found[position] == name or name in names[:position]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "{}", "[1, null, []]", '[{"name": 5, "dur": 1}]', '[{"name": "ai-runner/9_kernel_time", "dur": 1}]'),
        *('[{"name": "ai-runner/-1_kernel_time", "dur": 1}]', '[{"name": "ai-runner/0_kernel_time", "dur": "1"}]'),
        *('[{"name": "ai-runner/0_kernel_time"}]', "[" * 100_000),
    ],
)
def test_a_profile_that_is_none_gives_no_times(text: str) -> None:
    assert kernel_times(text, 1, 1) == [None]


def test_a_profile_is_read() -> None:
    kernel = '{{"cat": "Node", "name": "ai-runner/{}_kernel_time", "dur": {}}}'.format
    profile = f"[{kernel(1, 7)}, {kernel(0, 2)}, {kernel(0, 3)}, {kernel(1, 8)}, {kernel(2, 1)}]"
    assert kernel_times(profile, 3, 2) == [[0.002, 0.003], [0.007, 0.008], None]
