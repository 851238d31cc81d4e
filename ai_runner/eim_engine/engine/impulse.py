"""What an engine file says about its model: written by the generator, read by the program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

CLASSIFICATION = "classification"
BOXES = "constrained_object_detection"
FREEFORM = "freeform"


class Impulse(NamedTuple):
    """A model and how it is served.

    A NamedTuple because importing dataclasses takes longer than answering hello.

    Attributes:
        project: the hello reply's ``project``.
        model_parameters: the hello reply's ``model_parameters``.
        engine_type: number of the inferencing engine.
        block_id: of the learn block, which set_threshold names.
        kind: CLASSIFICATION (also regression), BOXES or FREEFORM.
        outputs: number of values of every output of the model.
        grid: rows and columns of the cells of BOXES, else (0, 0).
        scale: smallest and largest value that a pixel's 0 and 255 become in the model; None when features are the
            model's input as they are.
        stateful: the model has variables, which are reset before every window.
        python_path: where the packages are that the program imports.
    """

    project: Mapping[str, Any]
    model_parameters: Mapping[str, Any]
    engine_type: int
    block_id: int
    kind: str
    outputs: tuple[int, ...]
    grid: tuple[int, int] = (0, 0)
    scale: tuple[float, float] | None = None
    stateful: bool = False
    python_path: tuple[str, ...] = ()

    @property
    def features_count(self) -> int:
        """Values of a full window."""
        return int(self.model_parameters["input_features_count"])

    @property
    def slice_size(self) -> int:
        """Values of one slice of continuous classification."""
        return int(self.model_parameters["slice_size"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the model's order."""
        return tuple(self.model_parameters["labels"])

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(self._asdict(), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Impulse:
        """Reads what `to_json` wrote."""
        fields = json.loads(text)
        for name in ("outputs", "grid", "python_path"):
            fields[name] = tuple(fields[name])
        if fields["scale"] is not None:
            fields["scale"] = tuple(fields["scale"])
        return cls(**fields)
