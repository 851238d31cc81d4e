"""What is put into the sources of a C-model so that it computes as a plan says: other numerics, a fault in one node.

The plan is a record of the process that loads the library; `PLAN_ADDRESS` in the environment says where it is.
"""

from __future__ import annotations

import re
from pathlib import Path

PLAN_ADDRESS = "AI_RUNNER_BENCHMARK_PLAN"
MAX_PATCHES = 4

_HEADER = """\
#ifndef PLAN_H
#define PLAN_H
#include <math.h>
#include <stdint.h>

typedef struct { int32_t offset, value; } plan_patch;
typedef struct { int32_t node; const char *name; int32_t offset; } plan_field;

typedef struct {
    void *weights;
    const plan_field *fields;
    int32_t *exponentials;
    int32_t rounding;
    int32_t node;
    int32_t node_rounding;
    int32_t n_patches;
    plan_patch patches[%(patches)d];
    int32_t (*before)(uint8_t *in0, uint32_t bytes0, uint8_t *in1, uint32_t bytes1);
    void (*after)(uint8_t *out, uint32_t bytes);
} fault_plan;

extern fault_plan *plan;
extern int32_t plan_rounding;
void plan_apply(int32_t node, void *params);
int32_t plan_rounded(double exact, int32_t mode);
int32_t plan_scaled(int32_t x, int32_t multiplier, int32_t shift, int32_t mode);
#endif
"""

_SOURCE = """\
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "NAME.h"
#include "NAME_data.h"

static fault_plan none = {.node = -1, .node_rounding = -1};
fault_plan *plan = &none;
int32_t plan_rounding;
extern const plan_field plan_fields[];
int32_t *plan_exponentials(void);

__attribute__((constructor)) static void find_plan(void)
{
    const char *address = getenv("ADDRESS");
    if (address) {
        plan = (fault_plan *)(uintptr_t)strtoull(address, 0, 16);
        plan->weights = &NAME_weights;
        plan->fields = plan_fields;
        plan->exponentials = plan_exponentials();
    }
}

void plan_apply(int32_t node, void *params)
{
    if (node == plan->node)
        for (int32_t i = 0; i < plan->n_patches; i++)
            memcpy((char *)params + plan->patches[i].offset, &plan->patches[i].value, sizeof(int32_t));
}

int32_t plan_rounded(double exact, int32_t mode)
{
    double whole = mode == 4 ? floor(exact) : mode == 5 ? trunc(exact) : mode == 6 ? ceil(exact) : round(exact);
    return whole >= 2147483647.0 ? INT32_MAX : whole <= -2147483648.0 ? INT32_MIN : (int32_t)whole;
}

int32_t plan_scaled(int32_t x, int32_t multiplier, int32_t shift, int32_t mode)
{
    if (mode == 1)
        return (int32_t)(((int64_t)x * multiplier + ((int64_t)1 << (30 - shift))) >> (31 - shift));
    if (mode == 2)
        return (int32_t)lrintf((float)x * ldexpf((float)multiplier, shift - 31));
    if (mode == 7)
        return (int32_t)((uint32_t)x * (uint32_t)multiplier) >> (31 - shift > 31 ? 31 : 31 - shift);
    if (mode == 8)
        x = (int16_t)x;
    return plan_rounded(ldexp((double)x * multiplier, shift - 31), mode);
}
"""

_RUN = """\
        int32_t skipped = 0;
        plan_rounding = plan->rounding;
        if ((int32_t)i == plan->node) {
            const cm_node *node = &network->nodes[i];
            const cm_tensor *in0 = &network->tensors[node->inputs[0]];
            const cm_tensor *in1 = node->n_inputs > 1 ? &network->tensors[node->inputs[1]] : in0;
            if (plan->node_rounding >= 0)
                plan_rounding = plan->node_rounding;
            if (plan->before)
                skipped = plan->before(cm_tensor_data(in0, memory), in0->bytes,
                                       cm_tensor_data(in1, memory), in1->bytes);
        }
        if (!skipped)
            network->nodes[i].run(memory);
        if ((int32_t)i == plan->node && plan->after) {
            const cm_tensor *out = &network->tensors[network->nodes[i].outputs[0]];
            plan->after(cm_tensor_data(out, memory), out->bytes);
        }
"""

_SCALED = """\
static inline int32_t scaled_reference(int32_t x, int32_t multiplier, int32_t shift)"""

_SWITCH = """
static inline int32_t scaled(int32_t x, int32_t multiplier, int32_t shift)
{
    return plan_rounding ? plan_scaled(x, multiplier, shift, plan_rounding) : scaled_reference(x, multiplier, shift);
}

/* sum * scale, as FULLY_CONNECTED has it. */
static inline int32_t scaled_by_real(int32_t sum, double scale, int32_t offset)
{
    if (plan_rounding == 1 || plan_rounding == 7) {
        int exponent;
        int64_t multiplier = (int64_t)round(frexp(scale, &exponent) * 2147483648.0);
        multiplier = multiplier > INT32_MAX ? INT32_MAX : multiplier;
        return plan_scaled(sum, (int32_t)multiplier, exponent, plan_rounding) + offset;
    }
    if (plan_rounding == 2)
        return (int32_t)lrintf((float)sum * (float)scale) + offset;
    if (plan_rounding >= 3)
        return plan_rounded((plan_rounding == 8 ? (int16_t)sum : sum) * scale, plan_rounding) + offset;
    return whole_plus(round(sum * scale), offset);
}

#endif
"""


def edit_sources(folder: Path, name: str) -> list[str]:
    """Puts the plan into the sources; returns the C files."""
    (folder / "plan.h").write_text(_HEADER % {"patches": MAX_PATCHES})
    (folder / "plan.c").write_text(_SOURCE.replace("NAME", name).replace("ADDRESS", PLAN_ADDRESS))
    _substitute(
        folder / "runtime" / "cm_network.c", '#include "cm_network.h"', '#include "cm_network.h"\n#include "../plan.h"'
    )
    _substitute(folder / "runtime" / "cm_network.c", "        network->nodes[i].run(memory);\n", _RUN)
    for file, text in ((f"{name}_data.h", f"extern const {name}"), (f"{name}_data.c", f"\nconst {name}_constants")):
        _substitute(folder / file, text, text.replace("const ", "", 1))
    _edit_kernels(folder / "kernels")
    _edit_nodes(folder / f"{name}.c")
    has_softmax = (folder / "kernels" / "softmax.c").exists()
    if not has_softmax:
        (folder / "plan.c").write_text(
            (folder / "plan.c").read_text() + "\nint32_t *plan_exponentials(void)\n{\n    return 0;\n}\n"
        )
    return [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.c")) if file.name != "observer.c"]


def _edit_kernels(kernels: Path) -> None:
    quantized = kernels / "quantized.h"
    if quantized.exists():
        _substitute(
            quantized, "#include <stdint.h>\n", '#include <math.h>\n#include <stdint.h>\n\n#include "../plan.h"\n'
        )
        _substitute(quantized, "static inline int32_t scaled(int32_t x, int32_t multiplier, int32_t shift)", _SCALED)
        _substitute(quantized, "\n#endif\n", _SWITCH)
    if (kernels / "fully_connected.c").exists():
        _substitute(
            kernels / "fully_connected.c",
            "whole_plus(round(sum * p->scale[c * p->scale_step]), p->output_offset)",
            "scaled_by_real(sum, p->scale[c * p->scale_step], p->output_offset)",
        )
    if (kernels / "pool_2d.c").exists():
        _substitute(
            kernels / "pool_2d.c",
            "    return sum > 0 ?",
            "    if (plan_rounding >= 4)\n        return plan_rounded((double)sum / count, plan_rounding);\n"
            "    if (plan_rounding == 2)\n        return (int32_t)lrintf((float)sum / (float)count);\n"
            "    return sum > 0 ?",
        )
        _substitute(kernels / "pool_2d.c", '#include "kernels.h"\n', '#include "kernels.h"\n#include "../plan.h"\n')
    if (kernels / "softmax.c").exists():
        softmax = kernels / "softmax.c"
        _substitute(softmax, "    static const int32_t exp_minus_power[] =", "    static int32_t unused[] =")
        text = softmax.read_text()
        table = re.search(r"    static int32_t unused\[\] = (\{.*?\});\n", text, flags=re.DOTALL)
        assert table is not None
        made = (
            f"static int32_t exp_minus_power[] = {table[1]};\n"
            "int32_t *plan_exponentials(void);\nint32_t *plan_exponentials(void)\n{\n    return exp_minus_power;\n}\n\n"
        )
        text = text.replace(table[0], "")
        softmax.write_text(text.replace("/* ---- int8 ---- */\n", f"/* ---- int8 ---- */\n\n{made}", 1))


def _edit_nodes(source: Path) -> None:
    """Lets the plan change the parameters of every node, and tells where each is."""
    text = source.read_text().replace(
        '#include "kernels/kernels.h"\n', '#include "kernels/kernels.h"\n#include "plan.h"\n'
    )
    fields = []

    def node(found: re.Match[str]) -> str:
        number, struct, members = int(found["node"]), found["struct"], found["members"]
        for member, value in re.findall(r"^        \.([\w.]+) = (.*),$", members, flags=re.MULTILINE):
            if "constants->" not in value and not value.startswith(("{", "0 ", "N")):
                fields.append(f'    {{{number}, "{member}", offsetof({struct}, {member})}},')
        return f"{found['head']}    {struct} params = {{{members}    }};\n    plan_apply({number}, &params);\n"

    pattern = (
        r"(?P<head>static void node_(?P<node>\d+)\(const cm_memory \*memory\)\n\{\n"
        r"(?:    const \w+ \*constants[^\n]*\n)?)"
        r"    const (?P<struct>\w+) params = \{(?P<members>.*?)    \};\n"
    )
    text = re.sub(pattern, node, text, flags=re.DOTALL)
    table = "\n".join([*fields, "    {-1, 0, 0},"])
    source.write_text(
        text.replace("#include <math.h>", "#include <math.h>\n#include <stddef.h>", 1)
        + f"\nconst plan_field plan_fields[] = {{\n{table}\n}};\n"
    )


def _substitute(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name}: {old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new))
