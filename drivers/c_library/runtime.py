"""The runtime that a library brings along."""

from __future__ import annotations

from ai_runner.model import Caps, RuntimeInfo

PROTOCOL = "DLL Driver v2.0 - Direct Python binding"


def runtime_info(
    api: str, version: tuple[int, ...], tools_version: tuple[int, ...], revision: str, no_nodes: str
) -> RuntimeInfo:
    """The runtime inside the library.

    Args:
        api: ``st-ai`` or ``legacy``.
        version, tools_version: (major, minor, micro).
        revision: of the runtime library, as the library says.
        no_nodes: why nodes cannot be observed; '' when they can.
    """
    attributes = {"api": api}
    capabilities: tuple[Caps, ...] = (Caps.IO_ONLY, Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA)
    if no_nodes:
        attributes["per_layer"] = f"not available: {no_nodes}"
        capabilities = (Caps.IO_ONLY,)
    return RuntimeInfo(
        protocol=PROTOCOL,
        name=f"ST.AI ({api} api)",
        version=version,
        tools_version=tools_version,
        rt_lib_desc=revision,
        capabilities=capabilities,
        attributes=attributes,
        generated_code=True,
    )
