"""One map of layers over all targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai_runner.report.json import validation_dict
from ai_runner.report.layer_map import layer_map_dicts, layer_map_lines
from ai_runner.report.text import validation_lines


@pytest.fixture
def targets(validation: Any) -> tuple[Any, ...]:
    """One that fails at a layer, one that lacks that layer, one without layers, one of two outputs for one layer."""
    bad, crashed = validation("bad", "crashed").targets
    short = replace(bad, layers=bad.layers[:1], run=replace(bad.run, descriptor="file:short"))
    twice = replace(bad, layers=(bad.layers[0], replace(bad.layers[0], target_name="again"), *bad.layers[1:]))
    return bad, short, crashed, twice


def test_a_line_for_every_layer_of_the_reference(targets: Any) -> None:
    bad = targets[0]
    names = [layer.target_name for layer in bad.layers]
    found = layer_map_dicts(targets)
    assert [row["index"] for row in found] == sorted([bad.layers[0].index, *(layer.index for layer in bad.layers)])
    assert found[0]["nodes"] == [names[0], names[0], None, names[0]]
    assert found[1]["nodes"] == [None, None, None, "again"]
    assert found[2]["nodes"] == [names[1], None, None, names[1]]


def test_what_is_wrong_and_what_is_missing_is_marked(targets: Any) -> None:
    lines = layer_map_lines(targets, 120)
    wrong = next(layer for layer in targets[0].layers if layer.within is False)
    (line,) = [line for line in lines if line.lstrip().startswith(f"{wrong.index} ") and wrong.target_name in line]
    assert f"{wrong.target_name} !" in line
    assert line.split()[-3:-2] == ["-"]
    assert [line.split()[0] for line in lines if "file:" in line or "layers " in line][:1] == ["layers"]
    assert "file:short" in "".join(lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_it_fits_the_terminal(targets: Any, width: int) -> None:
    lines = layer_map_lines(targets * 2, width)
    table = lines[lines.index("") + 1 :]
    assert max(map(len, table)) <= max(width, 60)
    assert len({len(line.rstrip()) > 0 for line in table}) == 1


def test_one_target_with_layers_needs_no_map(validation: Any, targets: Any) -> None:
    assert layer_map_lines(targets[:1], 120) == []
    assert layer_map_lines(targets[1:3], 120) == []
    assert not any(line.startswith("layers  ") for line in validation_lines(validation("bad"), 120))
    several = replace(validation("bad"), targets=targets)
    assert any(line.startswith("layers  ") for line in validation_lines(several, 120))
    assert validation_dict(several)["layer_map"] == layer_map_dicts(targets)
