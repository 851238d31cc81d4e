"""The tables that fault_detection.py prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tabulate import tabulate

from planted.outcome import Comparison, Outcome

_FAULT_HEADERS = ["faults", "detected", "named", "exact: faults", "detected", "named", "stages", "right"]


def fault_table(title: str, outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> str:
    """A row a group: how many faults under each policy, and the shares detected and named."""
    judged = [outcome for outcome in outcomes if outcome.policy != "structure"]
    groups = dict.fromkeys(key(outcome) for outcome in judged)
    rows = [[group, *_cells([o for o in judged if key(o) == group])] for group in groups]
    return tabulate([*rows, ["all", *_cells(judged)]], [title, *_FAULT_HEADERS], tablefmt="github")


def clean_table(comparisons: Sequence[Comparison]) -> str:
    """A row a kind of target: comparisons and alarms, by whether its numerics are trusted."""
    groups = dict.fromkeys(comparison.kind for comparison in comparisons)
    rows = [[group, *_counts([c for c in comparisons if c.kind == group])] for group in groups]
    headers = ["correct target", "trusted numerics", "alarms", "others", "alarms"]
    return tabulate([*rows, ["all", *_counts(comparisons)]], headers, tablefmt="github")


def share(outcomes: Iterable[Outcome], what: str) -> float:
    """Of outcomes that are detected or named; 1 where there are none."""
    found = [getattr(outcome, what) for outcome in outcomes]
    return sum(found) / len(found) if found else 1.0


def _cells(outcomes: Sequence[Outcome]) -> list[str]:
    cells = []
    for policy in ("noise-floor", "exact", "stage"):
        chosen = [outcome for outcome in outcomes if outcome.policy == policy]
        cells.append(str(len(chosen)) if chosen else "")
        shares = ("named",) if policy == "stage" else ("detected", "named")
        cells += [f"{100.0 * share(chosen, what):.1f} %" if chosen else "" for what in shares]
    return cells


def _counts(comparisons: Sequence[Comparison]) -> list[str]:
    cells = []
    for trusted in (True, False):
        chosen = [comparison for comparison in comparisons if comparison.trusted == trusted]
        alarms = sum(bool(comparison.alarm) for comparison in chosen)
        cells += [str(len(chosen)), str(alarms)] if chosen else ["", ""]
    return cells
