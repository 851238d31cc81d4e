"""Pairs of layers that the user names, where no evidence finds them.

A TOML file::

    [layers]
    3 = "node_7"        # layer 3 of the reference is what the target's node of this name writes
    "conv/Relu" = 9     # by the reference's name; the target's node by its position
    5 = false           # layer 5 has no counterpart

    [targets."file:build/st-ai"]
    4 = "node_8"        # of this target only, goes before what is said of all
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from ai_runner.compare.alignment.layer_pair import LayerPair, NodeTensor, layer_index
from ai_runner.errors import InvalidParamError
from ai_runner.toml import read_toml

Entries = Mapping[int | str, int | str | None]


@dataclass(frozen=True)
class LayerMap:
    """What the user says.

    Attributes:
        layers: index or name of the reference's layer to name or position of the target's node; None for none.
        targets: the same for single targets, by descriptor.
        label: what messages call it.
    """

    layers: Entries = field(default_factory=dict)
    targets: Mapping[str, Entries] = field(default_factory=dict)
    label: str = "the map"

    @classmethod
    def read(cls, path: str | Path) -> LayerMap:
        """Reads a file; raises InvalidParamError when it is no such file."""
        tables = read_toml(path, hint=_FORM)
        targets = tables.get("targets", {})
        if not tables or set(tables) - {"layers", "targets"} or not isinstance(targets, dict):
            raise InvalidParamError(f"{path}: wants a table [layers], or [targets.DESCRIPTOR], and no more", hint=_FORM)
        of_targets = {target: _entries(table, f"{path}: targets.{target}") for target, table in targets.items()}
        return cls(_entries(tables.get("layers", {}), f"{path}: layers"), of_targets, str(path))

    def check(self, targets: Sequence[str], per_layer: bool) -> None:
        """Raises InvalidParamError unless layers are compared, and it speaks of no other targets than these."""
        if not per_layer:
            raise InvalidParamError(f"{self.label}: pairs layers, which are not compared", hint="give --per-layer, too")
        unknown = [target for target in self.targets if target not in targets]
        if unknown:
            raise InvalidParamError(
                f"{self.label}: there is no target {unknown[0]!r}", hint=f"there is {', '.join(targets)}"
            )

    def of(self, descriptor: str) -> LayerMap:
        """What it says of one target."""
        return LayerMap({**self.layers, **self.targets.get(descriptor, {})}, {}, self.label)

    def apply(
        self, references: Sequence[NodeTensor], targets: Sequence[NodeTensor]
    ) -> tuple[list[LayerPair], list[NodeTensor], list[NodeTensor]]:
        """The pairs it names, and the tensors of both sides that it says nothing about.

        Raises:
            InvalidParamError: a layer or a node that it names does not exist, or is named twice, or two tensors have
                other sizes.
        """
        pairs, named, taken = [], dict[int, int | str](), dict[int, int | str]()
        for layer, node in self.layers.items():
            mine = _last_node([place for place in references if layer in (layer_index(place), place.node.name)])
            if not mine:
                raise InvalidParamError(
                    f"{self.label}: the reference has no layer {layer!r}", hint=_listing(references)
                )
            self._enter(mine, layer, named, "the reference's layer")
            if node is None:
                continue
            theirs = _last_node([place for place in targets if node in (place.position, place.node.name)])
            if not theirs:
                raise InvalidParamError(f"{self.label}: the target has no node {node!r}", hint=_listing(targets, False))
            self._enter(theirs, node, taken, "the target's node")
            for place, other in zip(mine, theirs, strict=False):
                if prod(place.tensor.shape) != prod(other.tensor.shape):
                    raise InvalidParamError(
                        f"{self.label}: layer {layer!r} writes {list(place.tensor.shape)}, "
                        f"node {node!r} {list(other.tensor.shape)}"
                    )
                pairs.append(LayerPair(place, other, "map"))
        left = [place for place in references if id(place) not in named]
        return pairs, left, [place for place in targets if id(place) not in taken]

    def _enter(self, places: Sequence[NodeTensor], name: int | str, entered: dict[int, int | str], word: str) -> None:
        if id(places[0]) in entered:
            before = entered[id(places[0])]
            again = "twice" if before == name else f"as {before!r} and as {name!r}"
            raise InvalidParamError(f"{self.label}: {word} {places[0].node.name!r} is named {again}")
        entered |= {id(place): name for place in places}


_FORM = 'for instance: [layers] 3 = "node_7"'
_LISTED = 8


def _entries(table: Any, where: str) -> Entries:
    if not isinstance(table, dict):
        raise InvalidParamError(f"{where}: is no table", hint=_FORM)
    found: dict[int | str, int | str | None] = {}
    for key, value in table.items():
        if value is True or not (value is False or isinstance(value, int | str)):
            raise InvalidParamError(f"{where}: layer {key!r} is mapped to {value!r}", hint=_FORM)
        # 0 is a position, false is none.
        node = None if value is False or value == "" else value
        found[int(key) if key.isascii() and key.isdigit() and len(key) < 10 else key] = node
    return found


def _last_node(places: Sequence[NodeTensor]) -> list[NodeTensor]:
    """The tensors of the last node: of several with one index it carries the layer's output."""
    return [place for place in places if place.position == places[-1].position]


def _listing(places: Sequence[NodeTensor], by_index: bool = True) -> str:
    """What there is, for a hint."""
    names = [f"{layer_index(place) if by_index else place.position} {place.node.name}" for place in places]
    shown = list(dict.fromkeys(names))
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return f"it has {', '.join(shown[:_LISTED])}{more}" if shown else "it shows no nodes"
