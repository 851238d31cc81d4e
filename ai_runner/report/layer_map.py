"""One map of layers over all targets: which node of each computes which layer of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ai_runner.compare.verdict import LayerComparison, TargetResult
from ai_runner.report.printable import printable, shortened

_LONGEST_NAMES = (24, 16, 12, 8)  # of nodes, as the terminal allows
_LONGEST_LAYER = 24


@dataclass(frozen=True)
class LayerRow:
    """A layer of the reference.

    Attributes:
        index, name, type: of the layer.
        layers: what each target made of it; None where it has no counterpart.
    """

    index: int
    name: str
    type: str
    layers: tuple[LayerComparison | None, ...]


def layer_rows(targets: Sequence[TargetResult]) -> list[LayerRow]:
    """The layers that any target has a counterpart of, in the order of the reference."""
    found: dict[tuple[int, str, int], list[LayerComparison | None]] = {}
    for place, target in enumerate(targets):
        seen: Counter[tuple[int, str]] = Counter()  # a node may have several outputs
        for layer in target.layers:
            seen[layer.index, layer.name] += 1
            key = layer.index, layer.name, seen[layer.index, layer.name]
            found.setdefault(key, [None] * len(targets))[place] = layer
    rows = []
    for key in sorted(found, key=lambda key: (key[0], key[2])):
        kind = next(layer.type for layer in found[key] if layer is not None)
        rows.append(LayerRow(key[0], key[1], kind, tuple(found[key])))
    return rows


def layer_map_dicts(targets: Sequence[TargetResult]) -> list[dict[str, Any]]:
    """The map for a JSON report; ``nodes`` has the name of each target's node, None where there is none."""
    return [
        {
            "index": row.index,
            "name": row.name,
            "type": row.type,
            "nodes": [None if layer is None else layer.target_name for layer in row.layers],
        }
        for row in layer_rows(targets)
    ]


def layer_map_lines(targets: Sequence[TargetResult], width: int) -> list[str]:
    """The map for a terminal of `width` characters; nothing unless several targets show layers."""
    shown = [(place, target) for place, target in enumerate(targets) if target.layers]
    if len(shown) < 2:
        return []
    rows = layer_rows([target for _, target in shown])
    lines: list[str] = []
    for longest in (*_LONGEST_NAMES, 0):
        lines = _table(rows, [str(place + 1) for place, _ in shown], longest)
        if max(map(len, lines)) <= width:
            break
    names = [f"           {place + 1}  {printable(target.run.descriptor)}" for place, target in shown]
    names[0] = f"layers     {names[0][11:]}"
    return [*names, "           ! is not right, - has no counterpart", "", *lines]


def _table(rows: Sequence[LayerRow], headers: Sequence[str], longest: int) -> list[str]:
    from tabulate import tabulate

    cells = [
        [str(row.index), shortened(printable(row.name), _LONGEST_LAYER), *(_cell(x, longest) for x in row.layers)]
        for row in rows
    ]
    align = ["right", *(["left"] * (len(headers) + 1))]
    text: str = tabulate(cells, headers=["", "layer", *headers], colalign=align, disable_numparse=True)
    return text.splitlines()


def _cell(layer: LayerComparison | None, longest: int) -> str:
    """`longest` 0: no names, only how it stands."""
    if layer is None:
        return "-"
    mark = "!" if layer.within is False else ""
    name = shortened(printable(layer.target_name), longest) if longest else ""
    return f"{name} {mark}".strip() or "="
