"""The st-ai interface of one network in C: its tables, and the exported functions that pass them to the front."""

from __future__ import annotations

from collections.abc import Iterator

from ai_runner.c_model import c_text
from ai_runner.c_model.core_source import banner, model_datetime
from ai_runner.c_model.network import Network, NetworkTensor

# ST's client cannot print the summary of a model whose input or output has a longer name; without one it makes one up.
_IO_NAME_MAX = 20

# Clients choose layouts by these. They are those of the tools whose interface this is, not of what generated the code.
RUNTIME_VERSION = "{10, 2, 0, 0}"
TOOL_VERSION = "{2, 2, 0, 0}"
_API_VERSION = "{1, 0, 0, 0}"

_CONTEXT = ("uint8_t *", "context")
_POINTERS = (_CONTEXT, ("uint8_t *const *", "pointers"), ("uint32_t ", "n"))
_PLACES = (_CONTEXT, ("uint8_t **", "pointers"), ("uint32_t *", "n"))
_FUNCTIONS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("uint32_t", "get_context_size", ()),
    ("int32_t", "init", (_CONTEXT,)),
    ("int32_t", "deinit", (_CONTEXT,)),
    ("int32_t", "get_error", (_CONTEXT,)),
    ("int32_t", "get_info", (_CONTEXT, ("stai_info *", "info"))),
    ("int32_t", "set_callback", (_CONTEXT, ("stai_callback ", "callback"), ("void *", "cookie"))),
    ("int32_t", "run", (_CONTEXT, ("int32_t ", "mode"))),
    ("int32_t", "set_activations", _POINTERS),
    ("int32_t", "set_weights", _POINTERS),
    ("int32_t", "set_states", _POINTERS),
    ("int32_t", "set_inputs", _POINTERS),
    ("int32_t", "set_outputs", _POINTERS),
    ("int32_t", "get_activations", _PLACES),
    ("int32_t", "get_weights", _PLACES),
    ("int32_t", "get_states", _PLACES),
    ("int32_t", "get_inputs", _PLACES),
    ("int32_t", "get_outputs", _PLACES),
)


def stai_file(network: Network, name: str) -> str:
    """The file `<name>_stai.c`; it needs the core and runtime/stai_front.*."""
    return f"""\
{banner(network, name, "st-ai interface")}\
#include <math.h>

#include "{name}.h"
#include "{name}_data.h"
#include "runtime/cm_export.h"
#include "runtime/stai_front.h"

{_lines(_tensor_arrays(network))}

static const stai_tensor tensors[] = {{
{_lines(f"    {_tensor(i, t, 0, t.name)}," for i, t in enumerate(network.tensors))}
}};

static const stai_tensor inputs[] = {{
{_lines(_io_tensors(network, network.inputs, "STAI_INPUTS"))}
}};

static const stai_tensor outputs[] = {{
{_lines(_io_tensors(network, network.outputs, "STAI_OUTPUTS"))}
}};

{_memory_tables(name)}
{_details(network, name)}
{_info(network, name)}
static const stai_front front = {{&{name}_network, &info}};

{_lines(_functions(name))}"""


def _tensor_arrays(network: Network) -> Iterator[str]:
    for i, tensor in enumerate(network.tensors):
        if tensor.shape:
            yield f"static const int32_t shape_{i}[] = {c_text.numbers(tensor.shape)};"
        if tensor.quantization is not None:
            scales = ", ".join(map(c_text.float32, tensor.quantization.scale))
            yield f"static const float scale_{i}[] = {{{scales}}};"
            yield f"static const int16_t zero_point_{i}[] = {c_text.numbers(tensor.quantization.zero_point)};"


def _tensor(i: int, tensor: NetworkTensor, flags: str | int, name: str | None) -> str:
    shape = f"{{{len(tensor.shape)}, shape_{i}}}" if tensor.shape else "{0, 0}"
    scale = zero_point = "{0, 0}"
    if tensor.quantization is not None:
        n = len(tensor.quantization.scale)
        scale, zero_point = f"{{{n}, scale_{i}}}", f"{{{n}, zero_point_{i}}}"
    layout = "STAI_CHANNEL_LAST"
    if tensor.shape and tensor.shape[0] == 1:
        layout += " | STAI_HAS_BATCH"
    if flags:
        layout = f"{flags} | {layout}"
    text = "0" if name is None else c_text.string(name)
    return f"{{{tensor.bytes}, {layout}, 0x{tensor.format:08x}, {shape}, {scale}, {zero_point}, {text}}}"


def _io_tensors(network: Network, numbers: tuple[int, ...], kind: str) -> Iterator[str]:
    for i in numbers:
        tensor = network.tensors[i]
        name = tensor.name if 0 < len(tensor.name.encode("utf-8", "replace")) <= _IO_NAME_MAX else None
        yield f"    {_tensor(i, tensor, f'{kind} | STAI_PREALLOCATED', name)},"


def _memory_tables(name: str) -> str:
    macro, flags = name.upper(), "STAI_WEIGHTS | STAI_PREALLOCATED"
    return f"""\
static const int32_t activations_shape[] = {{{macro}_ARENA_BYTES}};
static const stai_tensor activations[] = {{
    {{{macro}_ARENA_BYTES, STAI_ACTIVATIONS, 0x00040440, {{1, activations_shape}}, {{0, 0}}, {{0, 0}}, 0}},
}};

static const int32_t weights_shape[] = {{sizeof {name}_weights}};
static const stai_tensor weights[] = {{
    {{sizeof {name}_weights, {flags}, 0x00040440, {{1, weights_shape}}, {{0, 0}}, {{0, 0}}, 0}},
}};
"""


def _details(network: Network, name: str) -> str:
    lines = []
    for node in network.nodes:
        for what, numbers in (("inputs", node.inputs), ("outputs", node.outputs)):
            if numbers:
                lines.append(f"static const int32_t {what}_of_{node.call.index}[] = {c_text.numbers(numbers)};")
    if network.nodes:
        lines += ["", "static const stai_node nodes[] = {"]
        for node in network.nodes:
            i = node.call.index
            inputs = f"{{{len(node.inputs)}, inputs_of_{i}}}" if node.inputs else "{0, 0}"
            outputs = f"{{{len(node.outputs)}, outputs_of_{i}}}"
            lines.append(f"    {{{i}, 0x{node.call.node_type:03x}, {inputs}, {outputs}}},")
        lines += ["};", ""]
    nodes = "nodes" if network.nodes else "0"
    lines += [
        f"CM_EXPORT extern const stai_details g_{name}_details;",
        f"const stai_details g_{name}_details = {{tensors, {nodes}, {len(network.nodes)}}};",
        "",
    ]
    return "\n".join(lines)


def _info(network: Network, name: str) -> str:
    return f"""\
static const stai_info info = {{
    .model_signature = "0x{network.model.md5}",
    .compile_datetime = __DATE__ " " __TIME__,
    .name = {c_text.string(name)},
    .model_datetime = "{model_datetime(network.model.path)}",
    .signature = 0x{network.model.md5[:8]}u,
    .runtime_version = {RUNTIME_VERSION},
    .tool_version = {TOOL_VERSION},
    .api_version = {_API_VERSION},
    .n_macc = {network.macc}u,
    .n_nodes = {len(network.nodes)},
    .flags = STAI_INPUTS | STAI_OUTPUTS | STAI_WEIGHTS,
    .n_inputs = {len(network.inputs)},
    .n_outputs = {len(network.outputs)},
    .n_activations = 1,
    .n_weights = 1,
    .n_states = 0,
    .inputs = inputs,
    .outputs = outputs,
    .activations = activations,
    .weights = weights,
    .states = 0,
}};
"""


def _functions(name: str) -> Iterator[str]:
    for result, function, parameters in _FUNCTIONS:
        declaration = ", ".join(kind + parameter for kind, parameter in parameters) or "void"
        arguments = ", ".join(["&front", *(parameter for _, parameter in parameters)])
        signature = f"CM_EXPORT {result} stai_{name}_{function}({declaration})"
        yield f"{signature};\n{signature}\n{{\n    return cm_stai_{function}({arguments});\n}}\n"


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines)
