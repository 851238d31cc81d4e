"""A policy as TOML, schema ``ai-runner/policy/1``: parsed, checked, frozen. docs/policy.md shows one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ai_runner.errors import InvalidParamError
from ai_runner.schemas import SchemaError, check
from ai_runner.toml import MAX_BYTES, parse_toml

SCHEMA = "ai-runner/policy/1"

_LATENCY_FACTS = ("model", "device", "clock", "caches", "compiler", "runtime", "options", "timer", "mode")
_ACCURACY_FACTS = ("model", "data")
COMPARABILITY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"latency": _LATENCY_FACTS, "accuracy": _ACCURACY_FACTS}
)
"""For each kind of comparison with a baseline the facts that have to be equal, unless a policy says otherwise."""


class Base(StrEnum):
    """How outputs and layers are judged where nothing else is said."""

    NOISE_FLOOR = "noise-floor"
    EXACT = "exact"
    TOLERANCE = "tolerance"
    IGNORE = "ignore"


class Missing(StrEnum):
    """What becomes of a rule whose number was not measured."""

    FAIL = "fail"
    WARN = "warn"
    PASS = "pass"  # noqa: S105


@dataclass(frozen=True)
class Limits:
    """The range that a number may be in, ends included; None for an open end."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class TensorRule:
    """What the outputs or layers of some names are held to.

    Attributes:
        pattern: of names, or of a layer's number; ``*``, ``?`` and ``[...]`` as in a shell, case matters.
        base: None for the policy's; IGNORE judges nothing but what else is said here.
        max_lsb: largest error of integers, in steps of the reference's quantization.
        atol, rtol: of real-valued outputs.
        metrics: limits of metrics on real values, by name.
        max_ms: longest mean time of a layer.
    """

    pattern: str
    base: Base | None = None
    max_lsb: float | None = None
    atol: float | None = None
    rtol: float | None = None
    metrics: Mapping[str, Limits] = field(default_factory=dict)
    max_ms: float | None = None

    @property
    def has_tolerance(self) -> bool:
        """Whether a tolerance is said here: it goes before the policy's base."""
        return any(value is not None for value in (self.max_lsb, self.atol, self.rtol))

    @property
    def has_base(self) -> bool:
        """Whether the rule itself says how a tensor is judged."""
        return self.base is not None or self.has_tolerance

    def or_else(self, general: TensorRule) -> TensorRule:
        """This rule, with the tolerances of `general` where it has none."""
        known = {key: getattr(self, key) for key in ("max_lsb", "atol", "rtol")}
        return replace(self, **{key: getattr(general, key) for key, value in known.items() if value is None})

    def fits(self, *names: str) -> bool:
        """Whether one of the names is meant."""
        return any(name == self.pattern or fnmatchcase(name, self.pattern) for name in names)


@dataclass(frozen=True)
class Policy:
    """What a validation is held to; the default is what holds without a policy.

    Attributes:
        name: what reports call it; '' without one.
        sha256: of the file; '' for the default.
        base: how outputs and layers are judged; None for the way of the run.
        missing: what becomes of a rule whose number was not measured.
        model_hash: that the models have to have, lower case without ``0x``, or ``reference``; '' for any.
        tolerance: of outputs judged by tolerance; its pattern is ``*``.
        outputs, layers: the first one that fits a name decides.
        min_accuracy, max_accuracy_drop, max_accuracy_drop_from_baseline: shares, 0.01 for a percent of the samples.
        max_ms: longest mean time of a sample.
        max_latency_increase: against the baseline, 0.1 for 10 %.
        max_weights, max_activations: bytes.
        health: kinds of findings that fail; ``all`` stands for every one.
        structure: kinds of differences that fail, likewise.
        comparability: for each kind of comparison with a baseline, the facts that have to be equal.
    """

    name: str = ""
    sha256: str = ""
    base: Base | None = None
    missing: Missing = Missing.FAIL
    model_hash: str = ""
    tolerance: TensorRule = TensorRule("*")
    outputs: tuple[TensorRule, ...] = ()
    layers: tuple[TensorRule, ...] = ()
    min_accuracy: float | None = None
    max_accuracy_drop: float | None = None
    max_accuracy_drop_from_baseline: float | None = None
    max_ms: float | None = None
    max_latency_increase: float | None = None
    max_weights: int | None = None
    max_activations: int | None = None
    health: frozenset[str] = frozenset()
    structure: frozenset[str] = frozenset()
    comparability: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: COMPARABILITY)

    @property
    def needs_baseline(self) -> bool:
        """Whether one of its rules compares with a baseline."""
        return self.max_latency_increase is not None or self.max_accuracy_drop_from_baseline is not None


def read_policy(path: str | Path) -> Policy:
    """Reads a policy file.

    Raises:
        InvalidParamError: it cannot be read, is no TOML, or says something that a policy does not know: the message
            names file, key and what is allowed.
    """
    return parse_policy(read_policy_text(path), str(path))


def named_policy(text: str | None) -> tuple[Policy, bytes]:
    """The policy that an argument names, and its file: a base, else a file, None for the default.

    Raises:
        InvalidParamError: as `read_policy`.
    """
    if text is None:
        return Policy(), b""
    if text in (Base.NOISE_FLOOR, Base.EXACT, Base.TOLERANCE):
        return Policy(base=Base(text)), b""
    content = read_policy_text(text)
    return parse_policy(content, text), content


def read_policy_text(path: str | Path) -> bytes:
    """The bytes of a policy file; raises InvalidParamError when it cannot be read or is too large."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidParamError(f"{path}: cannot read the policy: {reason}", hint="check the path") from error
    if len(content) > MAX_BYTES:
        raise InvalidParamError(f"{path}: a policy of more than {MAX_BYTES >> 10} KiB")
    return content


def parse_policy(content: bytes, label: str) -> Policy:
    """The policy that `content` is, UTF-8; `label` stands for the file in messages. Raises as `read_policy`."""
    try:
        tables = parse_toml(content)
    except ValueError as error:
        raise InvalidParamError(f"{label}: {error}", hint="docs/policy.md shows a policy") from error
    try:
        check(tables, "policy")
        return _policy(tables, hashlib.sha256(content).hexdigest())
    except SchemaError as error:
        hint = f'a policy begins with schema = "{SCHEMA}"' if "schema" in str(error)[:20] else "docs/policy.md"
        raise InvalidParamError(f"{label}: {error}", hint=hint) from error


def _policy(tables: Mapping[str, Any], sha256: str) -> Policy:
    accuracy, latency, memory = (tables.get(key, {}) for key in ("accuracy", "latency", "memory"))
    base = tables.get("base", "tolerance" if "tolerance" in tables else None)
    return Policy(
        name=tables.get("name", ""),
        sha256=sha256,
        base=None if base is None else Base(base),
        missing=Missing(tables.get("missing", "fail")),
        model_hash=tables.get("expect", {}).get("model_hash", "").lower().removeprefix("0x"),
        tolerance=TensorRule("*", **tables.get("tolerance", {})),
        outputs=tuple(_tensor_rule("outputs", pattern, table) for pattern, table in tables.get("outputs", {}).items()),
        layers=tuple(_tensor_rule("layers", pattern, table) for pattern, table in tables.get("layers", {}).items()),
        min_accuracy=accuracy.get("min"),
        max_accuracy_drop=accuracy.get("max_drop"),
        max_accuracy_drop_from_baseline=accuracy.get("max_drop_from_baseline"),
        max_ms=latency.get("max_ms"),
        max_latency_increase=latency.get("max_increase"),
        max_weights=memory.get("max_weights"),
        max_activations=memory.get("max_activations"),
        health=frozenset(tables.get("health", {}).get("fail", ())),
        structure=frozenset(tables.get("structure", {}).get("fail", ())),
        comparability={**COMPARABILITY, **{k: tuple(v) for k, v in tables.get("comparability", {}).items()}},
    )


def _tensor_rule(section: str, pattern: str, table: Mapping[str, Any]) -> TensorRule:
    where = f"{section}.{pattern}"
    base = Base(table["base"]) if "base" in table else None
    metrics = {name: Limits(limits.get("min"), limits.get("max")) for name, limits in table.get("metrics", {}).items()}
    rule = TensorRule(
        pattern, base, table.get("max_lsb"), table.get("atol"), table.get("rtol"), metrics, table.get("max_ms")
    )
    for name, limits in metrics.items():
        if limits == Limits():
            raise SchemaError(f"{where}.metrics.{name}: no limit; allowed: max, min")
        if limits.min is not None and limits.max is not None and limits.min > limits.max:
            raise SchemaError(f"{where}.metrics.{name}: min {limits.min:g} is above max {limits.max:g}")
    if rule.has_tolerance and base not in (None, Base.TOLERANCE):
        raise SchemaError(f"{where}: base {base!s} and a tolerance exclude each other; allowed: base = 'tolerance'")
    return rule
