"""Which models a library exports: c-names and APIs, told from its symbols.

The c-name (ST's option ``--name``) is part of every symbol: ``ai_<name>_run``, ``stai_<name>_run``. A name counts when
more than half of the symbols its API needs are there; so a missing one is reported as missing, not as "no model".
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum


class Api(StrEnum):
    """The two C APIs of ST's tools, as option ``api`` spells them."""

    STAI = "st-ai"
    LEGACY = "legacy"


# In the order of Api: the preferred one first.
NEEDED = {
    Api.STAI: (
        *("get_context_size", "init", "get_info", "run", "set_activations", "set_weights"),
        *("set_inputs", "set_outputs", "get_inputs", "get_outputs"),
    ),
    Api.LEGACY: ("create", "init", "run", "get_error", "get_report", "destroy", "data_params_get"),
}
_PREFIX = {Api.STAI: "stai_", Api.LEGACY: "ai_"}
# Symbols of the runtime library that is linked in.
_RUNTIME_NAMES = re.compile(r"(platform|runtime)(_|$)")
_C_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


@dataclass(frozen=True)
class ExportedModel:
    """A model of a library in one API.

    Attributes:
        name: the c-name.
        api: the family of symbols.
        missing: needed symbols that the library does not export, full names.
        has_get_info: legacy only: ``ai_<name>_get_info`` exists, the report of the tools before 7.0.
    """

    name: str
    api: Api
    missing: tuple[str, ...] = ()
    has_get_info: bool = False


def symbol(api: Api, name: str, function: str) -> str:
    """``stai_network_run`` for (STAI, network, run)."""
    return f"{_PREFIX[api]}{name}_{function}"


def exported_models(exports: AbstractSet[str]) -> tuple[ExportedModel, ...]:
    """The models among exported symbols, by name; one that both APIs serve comes twice, st-ai first."""
    found = []
    for api, functions in NEEDED.items():
        prefix = _PREFIX[api]
        names = {
            export[len(prefix) : -len(function) - 1]
            for export in exports
            for function in functions
            if export.startswith(prefix) and export.endswith(f"_{function}")
        }
        for name in names:
            missing = tuple(s for s in (symbol(api, name, f) for f in functions) if s not in exports)
            if _C_NAME.fullmatch(name) and not _RUNTIME_NAMES.match(name) and 2 * len(missing) < len(functions):
                get_info = api is Api.LEGACY and symbol(api, name, "get_info") in exports
                found.append(ExportedModel(name, api, missing, get_info))
    return tuple(sorted(found, key=lambda model: (model.name, list(NEEDED).index(model.api))))
