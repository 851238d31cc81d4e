"""The legacy interface of one network in C: its tables, and the exported functions that pass them to the front."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ai_runner.c_model import c_text
from ai_runner.c_model.core_source import GENERATOR, banner, model_datetime
from ai_runner.c_model.network import Network, NetworkTensor
from ai_runner.c_model.stai_source import RUNTIME_VERSION, TOOL_VERSION
from ai_runner.errors import InvalidModelError

_RANK_MAX = 6
_ZERO_POINTS = {
    "int8": ("int8_t", "LEGACY_ZERO_POINT_S8"),
    "uint8": ("uint8_t", "LEGACY_ZERO_POINT_U8"),
    "int16": ("int16_t", "LEGACY_ZERO_POINT_S16"),
    "uint16": ("uint16_t", "LEGACY_ZERO_POINT_U16"),
}

_HANDLE = ("void *", "handle")
_FUNCTIONS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("legacy_error", "create", (("void **", "handle"), ("const legacy_buffer *", "config"))),
    (
        "legacy_error",
        "create_and_init",
        (("void **", "handle"), ("void *const ", "activations[]"), ("void *const ", "weights[]")),
    ),
    ("void *", "destroy", (_HANDLE,)),
    ("bool", "init", (_HANDLE, ("const legacy_params *", "params"))),
    ("legacy_error", "get_error", (_HANDLE,)),
    ("bool", "get_report", (_HANDLE, ("legacy_report *", "report"))),
    ("legacy_buffer *", "inputs_get", (_HANDLE, ("uint16_t *", "n"))),
    ("legacy_buffer *", "outputs_get", (_HANDLE, ("uint16_t *", "n"))),
    (
        "int32_t",
        "run",
        (_HANDLE, ("const legacy_buffer *", "inputs"), ("legacy_buffer *", "outputs")),
    ),
    ("bool", "data_params_get", (("legacy_params *", "params"),)),
)


def legacy_file(network: Network, name: str) -> str:
    """The file `<name>_legacy.c`; it needs the core and runtime/legacy_front.*.

    Raises:
        InvalidModelError: a tensor has more dimensions than the interface can express.
    """
    return f"""\
{banner(network, name, "legacy interface")}\
#include <math.h>

#include "{name}.h"
#include "{name}_data.h"
#include "runtime/cm_export.h"
#include "runtime/legacy_front.h"

/* Dimensions: batch, channel, width, height, depth, extension. */
{_lines(_tensor_arrays(network))}

static const legacy_io_tensor tensors[] = {{
{_lines(_io_tensor(network, i, tensor) for i, tensor in enumerate(network.tensors))}
}};

{_lines(_quantizations(network))}
static legacy_buffer inputs[] = {{
{_lines(_buffer(network, i) for i in network.inputs)}
}};

static legacy_buffer outputs[] = {{
{_lines(_buffer(network, i) for i in network.outputs)}
}};

{_memory_tables(name)}
{_front(network, name)}
{_lines(_functions(name))}"""


def _bhwc(network: Network, tensor: NetworkTensor) -> tuple[int, ...]:
    """The shape with a batch of 1 in front and at least four dimensions: batch, height, width, ..., channel."""
    shape = tensor.shape if len(tensor.shape) > 1 and tensor.shape[0] == 1 else (1, *tensor.shape)
    if len(shape) > _RANK_MAX:
        raise InvalidModelError(
            f"{network.model.path}: tensor {tensor.name!r} of shape {list(tensor.shape)} has more dimensions than the"
            " legacy interface can express",
            hint="generate with --api st-ai",
        )
    body = shape[1:] or (1,)
    image, channel = body[:-1], body[-1]
    return (1, *image, *(1,) * (2 - len(image)), channel)


def _tensor_arrays(network: Network) -> Iterator[str]:
    for i, tensor in enumerate(network.tensors):
        batch, height, width, *rest = _bhwc(network, tensor)
        yield f"static uint32_t shape_{i}[] = {c_text.numbers([batch, rest[-1], width, height, *rest[:-1]])};"


def _shape(network: Network, i: int) -> str:
    return f"{{LEGACY_SHAPE_BCWH, {len(_bhwc(network, network.tensors[i]))}, shape_{i}}}"


def _io_tensor(network: Network, i: int, tensor: NetworkTensor) -> str:
    scale, zero_point = "1.f", 0
    if tensor.quantization is not None:
        scale, zero_point = c_text.float32(tensor.quantization.scale[0]), tensor.quantization.zero_point[0]
    return f"    {{0x{tensor.format:08x}, 0, {scale}, {zero_point}, {_shape(network, i)}}},"


def _is_quantized(tensor: NetworkTensor) -> bool:
    return tensor.quantization is not None and tensor.dtype.name in _ZERO_POINTS


def _quantizations(network: Network) -> Iterator[str]:
    for i in dict.fromkeys((*network.inputs, *network.outputs)):
        tensor = network.tensors[i]
        if tensor.quantization is None or not _is_quantized(tensor):
            continue
        ctype, flag = _ZERO_POINTS[tensor.dtype.name]
        n = len(tensor.quantization.scale)
        scales = ", ".join(map(c_text.float32, tensor.quantization.scale))
        yield f"static const float scale_{i}[] = {{{scales}}};"
        yield f"static const {ctype} zero_point_{i}[] = {c_text.numbers(tensor.quantization.zero_point)};"
        yield f"static const legacy_quantization quantization_{i} = {{scale_{i}, zero_point_{i}}};"
        yield (
            f"static const legacy_quantization_list quantizations_{i} = "
            f"{{LEGACY_SCALE_IS_FLOAT | {flag}, {n}, &quantization_{i}}};"
        )
        yield f"static const legacy_meta meta_{i} = {{LEGACY_META_QUANTIZED, &quantizations_{i}}};\n"


def _buffer(network: Network, i: int) -> str:
    tensor = network.tensors[i]
    meta = f"&meta_{i}" if _is_quantized(tensor) else "0"
    word = f"0x{tensor.format:08x} | LEGACY_FORMAT_IO"
    return f"    {{{word}, 0, {meta}, 0, {math.prod(tensor.shape)}, {_shape(network, i)}}},"


def _memory_tables(name: str) -> str:
    lines = []
    for what, size in (("weights", f"sizeof {name}_weights"), ("activations", f"{name.upper()}_ARENA_BYTES")):
        lines.append(f"static uint32_t {what}_shape[] = {{1, {size}, 1, 1}};")
        shape = f"{{LEGACY_SHAPE_BCWH, 4, {what}_shape}}"
        lines.append(f"static legacy_buffer {what}[] = {{{{LEGACY_FORMAT_U8, 0, 0, 0, {size}, {shape}}}}};")
    return "\n".join(lines) + "\n"


def _front(network: Network, name: str) -> str:
    most_inputs = max((len(node.inputs) for node in network.nodes), default=0)
    most_outputs = max((len(node.outputs) for node in network.nodes), default=0)
    return f"""\
static uint8_t *input_addresses[{len(network.inputs)}];
static uint8_t *output_addresses[{len(network.outputs)}];
static legacy_io_tensor node_inputs[{max(most_inputs, 1)}];
static legacy_io_tensor node_outputs[{max(most_outputs, 1)}];

static legacy_front front = {{
    .network = &{name}_network,
    .description.model_name = {c_text.string(name)},
    .description.model_signature = "0x{network.model.md5}",
    .description.model_datetime = "{model_datetime(network.model.path)}",
    .description.compile_datetime = __DATE__ " " __TIME__,
    .description.runtime_revision = {c_text.string(GENERATOR)},
    .description.runtime_version = {RUNTIME_VERSION},
    .description.tool_revision = {c_text.string(GENERATOR)},
    .description.tool_version = {TOOL_VERSION},
    .description.tool_api_version = {{1, 5, 0, 0}},
    .description.api_version = {{1, 2, 0, 0}},
    .description.interface_api_version = {{1, 3, 0, 0}},
    .description.signature = 0x{network.model.md5[:8]}u,
    .inputs = inputs,
    .outputs = outputs,
    .weights = weights,
    .activations = activations,
    .tensors = tensors,
    .input_addresses = input_addresses,
    .output_addresses = output_addresses,
    .node_inputs = node_inputs,
    .node_outputs = node_outputs,
}};
"""


def _functions(name: str) -> Iterator[str]:
    for result, function, parameters in _FUNCTIONS:
        arguments = ", ".join(["&front", *(parameter.removesuffix("[]") for _, parameter in parameters)])
        yield _function(result, f"ai_{name}_{function}", parameters, f"legacy_front_{function}({arguments})")
    buffers = (("void *", "data"),)
    for what in ("weights", "activations"):
        body = f"legacy_front_data_buffer(&{what}[0], data)"
        yield _function("legacy_buffer", f"ai_{name}_data_{what}_buffer_get", buffers, body)
    # The interface has no const.
    yield _function("void *", f"ai_{name}_data_weights_get", (), f"(void *)(uintptr_t)&{name}_weights")
    report = (_HANDLE, ("legacy_report *", "report"))
    yield _function("bool", f"ai_{name}_get_info", report, "legacy_front_get_report(&front, handle, report)")
    forward = (_HANDLE, ("const legacy_buffer *", "inputs"))
    yield _function("int32_t", f"ai_{name}_forward", forward, "legacy_front_run(&front, handle, inputs, 0)")


def _function(result: str, symbol: str, parameters: tuple[tuple[str, str], ...], value: str) -> str:
    declaration = ", ".join(kind + parameter for kind, parameter in parameters) or "void"
    signature = f"CM_EXPORT {result}{'' if result.endswith('*') else ' '}{symbol}({declaration})"
    return f"{signature};\n{signature}\n{{\n    return {value};\n}}\n"


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines)
