"""docs/ is whole: every page is listed in the README, leads on to others, and shows a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
WITHOUT_A_COMMAND = {"architecture.md", "faults.md"}  # how it is built; what goes wrong on a line
CONCEPTS = "descriptors drivers profiler validate policy noise-floor replay ci edge-impulse"


def links(page: Path) -> set[str]:
    return {target.rpartition("/")[2] for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text("utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path) -> None:
    assert page.name in links(ROOT / "README.md"), "is not in the list of the README"
    assert any(page.name in links(other) for other in PAGES if other != page), "no other page leads to it"
    if page.name not in WITHOUT_A_COMMAND:
        assert re.search(r"```console\n(.*\n)*?\$ ", page.read_text("utf-8")), "shows no command"


def test_every_concept_has_its_page() -> None:
    assert {page.stem for page in PAGES} >= set(CONCEPTS.split())
