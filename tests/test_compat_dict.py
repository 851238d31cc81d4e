"""The dictionaries of AiRunner have the keys that docs/profiler.md lists, and the page lists them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_runner import AiRunner, Mode

FREE = {"attributes", "extra"}  # whatever a runtime has to tell


def keys(value: Any) -> Iterator[str]:
    """All keys of nested dictionaries and lists of them."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield key
            yield from () if key in FREE else keys(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from keys(inside)


def test_the_page_lists_every_key(repository: Path, digits_descriptors: dict[str, str]) -> None:
    page = (repository / "docs" / "profiler.md").read_text("utf-8")
    listed = set(re.findall(r"`([a-z_]+)`", page))
    for descriptor in (digits_descriptors["tflite"], digits_descriptors["st-ai"]):
        with AiRunner.open(descriptor) as runner:
            _, profiler = runner.invoke(runner.generate_rnd_inputs(batch_size=2), mode=Mode.PER_LAYER_WITH_DATA)
        found = set(keys(profiler))
        assert found - listed - {"params"} == set()  # a region of `mempools`
        assert {"c_durations", "c_nodes", "data", "warnings", "sys_clock"} <= found
