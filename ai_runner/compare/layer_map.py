"""Pairs of layers that the user names, where no evidence finds them.

A TOML file::

    [layers]
    3 = "node_7"        # layer 3 of the reference is what the target's node of this name writes
    "conv/Relu" = 9     # by the reference's name; the target's node by its position
    5 = false           # layer 5 has no counterpart
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai_runner.compare.layer_pair import LayerPair, NodeTensor, layer_index
from ai_runner.errors import InvalidParamError
from ai_runner.toml import MAX_BYTES, parse_toml


@dataclass(frozen=True)
class LayerMap:
    """What the user says.

    Attributes:
        layers: index or name of the reference's layer to name or position of the target's node; None for none.
        label: what messages call it.
    """

    layers: Mapping[int | str, int | str | None] = field(default_factory=dict)
    label: str = "the map"

    @classmethod
    def read(cls, path: str | Path) -> LayerMap:
        """Reads a file; raises InvalidParamError when it is no such file."""
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            tables = parse_toml(content)
        except OSError as error:
            raise InvalidParamError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise InvalidParamError(f"{path}: {error}", hint=_FORM) from error
        layers = tables.get("layers")
        if not isinstance(layers, dict) or set(tables) != {"layers"}:
            raise InvalidParamError(f"{path}: wants one table [layers] and nothing else", hint=_FORM)
        found: dict[int | str, int | str | None] = {}
        for key, value in layers.items():
            if value is True or not (value is False or isinstance(value, int | str)):
                raise InvalidParamError(f"{path}: layer {key!r} is mapped to {value!r}", hint=_FORM)
            found[int(key) if key.isascii() and key.isdigit() and len(key) < 10 else key] = _node(value)
        return cls(found, str(path))

    def apply(
        self, references: Sequence[NodeTensor], targets: Sequence[NodeTensor]
    ) -> tuple[list[LayerPair], list[NodeTensor], list[NodeTensor]]:
        """The pairs it names, and the tensors of both sides that it says nothing about.

        Raises:
            InvalidParamError: a layer or a node that it names does not exist, or two tensors have other sizes.
        """
        pairs, named, taken = [], set[int](), set[int]()
        for layer, node in self.layers.items():
            mine = [place for place in references if layer in (layer_index(place), place.node.name)]
            if not mine:
                raise InvalidParamError(f"{self.label}: the reference has no layer {layer!r}")
            named |= {id(place) for place in mine}
            if node is None:
                continue
            theirs = [place for place in targets if node in (place.position, place.node.name)]
            if not theirs:
                raise InvalidParamError(f"{self.label}: the target has no node {node!r}")
            for place, other in zip(mine, theirs, strict=False):
                if _size(place) != _size(other):
                    raise InvalidParamError(
                        f"{self.label}: layer {layer!r} writes {list(place.tensor.shape)}, "
                        f"node {node!r} {list(other.tensor.shape)}"
                    )
                pairs.append(LayerPair(place, other, "map"))
                taken.add(id(other))
        left = [place for place in references if id(place) not in named]
        return pairs, left, [place for place in targets if id(place) not in taken]


_FORM = 'for instance: [layers] 3 = "node_7"'


def _node(value: int | str | bool) -> int | str | None:
    """0 is a position, false is none."""
    return None if value is False or value == "" else value


def _size(place: NodeTensor) -> int:
    size = 1
    for dimension in place.tensor.shape:
        size *= dimension
    return size
