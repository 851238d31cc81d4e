"""Pairs that the user names."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_runner.compare.alignment.layer_alignment import LayerAlignment, align_layers
from ai_runner.compare.alignment.layer_map import LayerMap
from ai_runner.errors import InvalidParamError


@pytest.fixture
def sides(tensors: Any) -> tuple[list[Any], list[Any]]:
    ours = [tensors.node(i, tensors.f32(f"t{i}", 16)) for i in range(3)]
    theirs = [tensors.node(-1, tensors.f32(f"x{i}", 16)) for i in range(3)]
    return ours, theirs


def found(alignment: LayerAlignment) -> list[tuple[int, int, str]]:
    return [(pair.reference.position, pair.target.position, pair.evidence) for pair in alignment.pairs]


def test_it_goes_before_all_evidence(sides: Any) -> None:
    assert found(align_layers(*sides)) == [(0, 0, "order"), (1, 1, "order"), (2, 2, "order")]
    mapped = align_layers(*sides, LayerMap({0: "x2_node", "t1_node": 0, 2: None}))
    assert found(mapped) == [(0, 2, "map"), (1, 0, "map")]
    assert [node.name for node in mapped.unpaired] == ["x1_node"]


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[layers]\n3 = "node_7"\n"conv/Relu" = 0\n5 = false\n')
    assert LayerMap.read(path).layers == {3: "node_7", "conv/Relu": 0, 5: None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layers = 3", "layers: is no table"),
        ("", r"wants a table \[layers\]"),
        ("[layers]\n[more]", r"wants a table \[layers\]"),
        ("targets = 3", r"wants a table \[layers\]"),
        ("[targets]\n'file:x' = 3", "targets.file:x: is no table"),
        ("[targets.'file:x']\n3 = 1.5", "targets.file:x: layer '3' is mapped to 1.5"),
        ("[layers]\n3 = true", "is mapped to True"),
        ("[layers]\n3 = [1]", "is mapped to"),
        ("[other]\n3 = 1", "wants a table"),
        ("[layers", "is no TOML"),
        ("\xff\xfe", "is no TOML"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "map.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidParamError, match=said):
        LayerMap.read(path)
    with pytest.raises(InvalidParamError, match="cannot be read"):
        LayerMap.read(tmp_path / "absent")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_map_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with contextlib.suppress(InvalidParamError):
        LayerMap.read(path)


def test_what_is_not_there(sides: Any, tensors: Any) -> None:
    with pytest.raises(InvalidParamError, match="the reference has no layer 9"):
        align_layers(*sides, LayerMap({9: 0}))
    with pytest.raises(InvalidParamError, match="the target has no node 'y'") as refused:
        align_layers(*sides, LayerMap({0: "y"}))
    assert refused.value.hint == "it has 0 x0_node, 1 x1_node, 2 x2_node"
    with pytest.raises(InvalidParamError, match="the target's node 'x1_node' is named as 'x1_node' and as 1"):
        align_layers(*sides, LayerMap({0: "x1_node", 1: 1}))
    with pytest.raises(InvalidParamError, match="the reference's layer 't0_node' is named as 0 and as 't0_node'"):
        align_layers(*sides, LayerMap({0: "x1_node", "t0_node": 2}))
    with pytest.raises(InvalidParamError, match="there is no target 'file:x'"):
        LayerMap({}, {"file:x": {}}).check(["file:y"], per_layer=True)
    with pytest.raises(InvalidParamError, match="pairs layers, which are not compared"):
        LayerMap({}).check(["file:y"], per_layer=False)
    with pytest.raises(InvalidParamError, match=r"layer 0 writes \[1, 16\], node 0 \[1, 4\]"):
        align_layers(sides[0], [tensors.node(-1, tensors.f32("z", 4))], LayerMap({0: 0}))


def test_a_target_of_its_own(sides: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[layers]\n0 = 2\n1 = false\n[targets."file:x"]\n0 = 1\n')
    layer_map = LayerMap.read(path)
    layer_map.check(["file:x", "file:y"], per_layer=True)
    assert layer_map.of("file:x").layers == {0: 1, 1: None}
    assert layer_map.of("file:y").layers == {0: 2, 1: None}
    assert found(align_layers(*sides, layer_map.of("file:x")))[0] == (0, 1, "map")


def test_of_several_nodes_with_one_index_the_last_is_meant(tensors: Any) -> None:
    ours = [tensors.node(0, tensors.f32("s", 4)), tensors.node(0, tensors.f32("t", 16))]
    theirs = [tensors.node(-1, tensors.f32("x", 16))]
    assert found(align_layers(ours, theirs, LayerMap({0: 0}))) == [(1, 0, "map")]


def test_a_layer_stored_otherwise_is_paired_last(tensors: Any) -> None:
    ours = [tensors.node(0, tensors.i8("a", 8)), tensors.node(1, tensors.i8("b", 8))]
    theirs = [tensors.node(0, tensors.f32("x", 8)), tensors.node(1, tensors.i8("y", 8, scale=0.505))]
    assert found(align_layers(ours, theirs)) == [(0, 0, "id"), (1, 1, "id")]
