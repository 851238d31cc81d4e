"""A model of a board as AiRunner describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod

from ai_runner.drivers.stm32.device import device_info
from ai_runner.drivers.stm32.protocol import ModelDescription, RuntimeId, SyncReply, SystemInfo, TensorDesc
from ai_runner.drivers.stm32.protocol.codes import Capability, NotGiven, Runtime, RuntimeApi, Tool
from ai_runner.drivers.stm32.tensors import tensor_infos, unique_names
from ai_runner.model import Caps, MemoryPool, ModelInfo, RuntimeInfo, TensorRole
from ai_runner.profile import TimeSource
from ai_runner.tensor_format import TensorFormat

_RUNTIME_NAMES = {
    Runtime.STM_AI: "ST.AI",
    Runtime.TFLM: "TFLM",
    Runtime.TVM: "TVM",
    Runtime.ATONN: "ATONN",
    Runtime.GLOW: "GLOW",
    Runtime.STM_AI_RELOC: "ST.AI reloc",
}
_API_NAMES = {RuntimeApi.ST_AI: "st-ai", RuntimeApi.LITE: "lite", RuntimeApi.RELOC: "reloc"}
_TOOL_NAMES = {
    Tool.GCC: "GCC",
    Tool.IAR: "IAR",
    Tool.MDK_5: "MDK-ARM v5",
    Tool.MDK_6: "MDK-ARM v6",
    Tool.HTC: "HighTec",
    Tool.GHS: "Green Hills",
}
_CAPS = {
    Capability.OBSERVER: (Caps.PER_LAYER, Caps.PER_LAYER_WITH_DATA),
    Capability.SELF_TEST: (Caps.SELF_TEST,),
    Capability.RELOC: (Caps.RELOC,),
    Capability.READ_WRITE: (Caps.MEMORY_RW,),
}
# What this project's firmware writes into its free text; an emulator of somebody else may at least say that it is one.
_TIME_SOURCE = r"\b(host|simulated|device) time\b"
_EMULATED = r"(?i)\b(emulat|simulat|qemu|renode)"


def time_source(model: ModelDescription) -> TimeSource:
    """Whose clock the times of a model come from, as far as its firmware tells."""
    text = free_text(model)
    said = re.search(_TIME_SOURCE, text)
    if said:
        return TimeSource(said.group(1))
    return TimeSource.SIMULATED if re.search(_EMULATED, text) else TimeSource.DEVICE


def free_text(model: ModelDescription) -> str:
    """What the firmware says of its runtime and compiler in its own words."""
    return model.runtime_desc or model.runtime_revision


def model_info(
    model: ModelDescription, sync: SyncReply, system: SystemInfo, settings: Mapping[str, str] | None = None
) -> ModelInfo:
    """Description of a model; `settings` are what the board said of its configuration, by key.

    Raises:
        InvalidModelError: an input or output that numpy has no type for.
        InvalidMsgError: an input or output that cannot be.
    """
    runtime = _runtime_id(model, sync)
    return ModelInfo(
        name=model.name,
        inputs=tensor_infos(model.inputs, TensorRole.INPUT),
        outputs=tensor_infos(model.outputs, TensorRole.OUTPUT),
        runtime=_runtime_info(model, sync, runtime, settings or {}),
        device=device_info(system, time_source(model)),
        n_nodes=model.n_nodes,
        macc=0 if runtime.not_given & NotGiven.MACC else model.macc,
        hash=model.signature,
        model_datetime=model.model_datetime,
        compile_datetime=model.compile_datetime,
        params=_pools(model.params, "params", bool(runtime.not_given & NotGiven.PARAMS_SIZE)),
        activations=_pools(model.activations, "activations", bool(runtime.not_given & NotGiven.ACTIVATIONS_SIZE)),
    )


def runtime_number(model: ModelDescription, sync: SyncReply) -> int:
    """`codes.Runtime` of a model, 0 when unknown."""
    return _runtime_id(model, sync).runtime


def _runtime_id(model: ModelDescription, sync: SyncReply) -> RuntimeId:
    """What a model says, else the firmware; v3.0 tells the compiler in its sync reply only, v2.1 nothing at all."""
    of_model, of_firmware = model.runtime, sync.runtime
    if of_model is not None:
        tool = of_model.tool or (of_firmware.tool if of_firmware else 0)
        return RuntimeId(of_model.runtime, of_model.api, tool, of_model.not_given)
    if of_firmware is not None:
        return of_firmware
    return RuntimeId(Runtime.STM_AI if model.tool_api_version != model.api_version else 0)


def _runtime_info(
    model: ModelDescription, sync: SyncReply, runtime: RuntimeId, settings: Mapping[str, str]
) -> RuntimeInfo:
    tool = _TOOL_NAMES.get(Tool(runtime.tool), "") if runtime.tool in tuple(Tool) else ""
    attributes = {"times": f"of {time_source(model)} clock"}
    for key, value in (("install time", model.install_time), ("init time", model.init_time)):
        if value is not None:
            attributes[key] = f"{value:g} ms"
    attributes.update({f"target {key}": value for key, value in settings.items()})
    return RuntimeInfo(
        protocol=f"aiValidation {sync.dialect.name}",
        name=_runtime_name(model, sync, runtime),
        version=model.runtime_version,
        tools_version=model.tool_version,
        rt_lib_desc=_library(model, tool),
        compiler=tool,
        capabilities=_capabilities(sync.capabilities),
        attributes=attributes,
        generated_code=True,
    )


def _runtime_name(model: ModelDescription, sync: SyncReply, runtime: RuntimeId) -> str:
    """``ST.AI (legacy api)``, ``ATONN (st-ai api)``, ``TFLM``; v2.1 names other engines than ST's in its tool's."""
    if runtime.runtime not in tuple(Runtime):
        return model.tool_revision or f"runtime {runtime.runtime}"
    name = _RUNTIME_NAMES[Runtime(runtime.runtime)]
    apis = [text for bit, text in _API_NAMES.items() if runtime.api & bit]
    if not apis and runtime.runtime in (Runtime.STM_AI, Runtime.STM_AI_RELOC):
        apis = ["legacy"]
    return f"{name} ({'+'.join(apis)} api)" if apis else name


def _library(model: ModelDescription, tool: str) -> str:
    """``v10.2.1-1a2b3c4d compiled with GCC 12.2.0 (GCC)``: version, hash of the build, text, compiler."""
    version = "v" + ".".join(str(part) for part in model.runtime_version)
    words = free_text(model).split()
    build = words[-1].lower().removeprefix("0x") if words else ""
    if build and re.fullmatch(r"[0-9a-f]{4,}", build):
        version += f"-{build}"
        words.pop()
    text = f"{version} compiled with {' '.join(words)}" if words else version
    return f"{text} ({tool})" if tool else text


def _capabilities(capabilities: Capability) -> tuple[Caps, ...]:
    return (Caps.IO_ONLY, *(cap for bit, caps in _CAPS.items() if capabilities & bit for cap in caps))


def _pools(descs: Sequence[TensorDesc], name: str, not_given: bool) -> tuple[MemoryPool, ...]:
    if not_given:
        return ()
    names = unique_names(desc.name or name for desc in descs)
    return tuple(MemoryPool(each, _bytes_of(desc)) for each, desc in zip(names, descs, strict=True))


def _bytes_of(desc: TensorDesc) -> int:
    """v2 and v3 describe memory as bytes, whatever the format word says of elements."""
    bits = TensorFormat.decode(desc.format).bits or 8
    return (desc.size or prod(desc.shape)) * bits // 8
