"""A divergence as a folder that somebody else can run: the operator, the target's inputs, all results, ten lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ai_runner.compare.noise_floor.introduced import Exhibit
from ai_runner.compare.verdict import TargetResult
from ai_runner.errors import InvalidParamError
from ai_runner.report.output_file import whole_file
from ai_runner.report.printable import printable

_SCRIPT = '''"""{title}

{reason}
"""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

tensors = np.load("tensors.npz")
for kernels in {kernels}:
    interpreter = Interpreter("operator.tflite", experimental_op_resolver_type=getattr(OpResolverType, kernels))
    interpreter.allocate_tensors()
    for sample, target in enumerate(tensors["target"]):
        for place, tensor in enumerate(interpreter.get_input_details()):
            interpreter.set_tensor(tensor["index"], tensors[f"input_{{place}}"][sample].reshape(tensor["shape"]))
        interpreter.invoke()
        output = interpreter.get_output_details()[{output}]
        computed = interpreter.get_tensor(output["index"]).reshape(target.shape).astype(float)
{as_target}        error = np.abs(computed - target.astype(float)).max()
        print(f"sample {{sample}}: the target is {{error:g}} from {{kernels}}")
'''


_AS_REAL = """        scale, zero_point = output["quantization"]
        computed = (computed - zero_point) * scale
"""

# Of the kernel sets; one that lacks the operator has no results and would refuse to run it.
_RESOLVERS = {"reference": "BUILTIN_REF", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "BUILTIN"}


def write_reproducer(target: TargetResult, folder: str | Path) -> Path | None:
    """Writes ``operator.tflite``, ``tensors.npz`` and ``reproduce.py`` for the first divergence of a target.

    `tensors.npz` has ``input_0``, ... in the order of the model's inputs, ``target`` and one ``kernels_<set>`` a kernel
    set, all ``(samples,) + sample_shape`` as stored. A kernel set that lacks the operator is left out.

    Returns:
        The folder; None when the target has no divergence that can be run again.

    Raises:
        InvalidParamError: the folder cannot be written.
    """
    found, exhibit = target.first_divergence, target.exhibit
    if found is None or exhibit is None or not exhibit.model:
        return None
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParamError(f"{folder}: cannot be written: {error.strerror or error}") from error
    where = f"layer {found.layer} {found.name} ({found.type})" if found.layer is not None else f"the {found.type}"
    script = _SCRIPT.format(
        title=f"{where} of {target.run.descriptor}".translate(_IN_A_STRING),
        reason=found.reason.translate(_IN_A_STRING),
        output=exhibit.output,
        kernels=tuple(_RESOLVERS[kernels] for kernels in exhibit.trusted if kernels in _RESOLVERS),
        as_target=_AS_REAL if _only_target_is_real(exhibit) else "",
    )
    files = {"operator.tflite": exhibit.model, "tensors.npz": _npz(exhibit), "reproduce.py": script.encode()}
    for name, content in files.items():
        with whole_file(folder / name) as file:
            file.write(content)
    return folder


# Names come from a device or a file: they must not end the string that they stand in.
_IN_A_STRING = {ord(character): None for character in "\\\"'"} | dict.fromkeys((*range(32), 127), " ")


def write_reproducers(targets: Sequence[TargetResult], folder: str | Path) -> list[Path | None]:
    """`write_reproducer` for every target, in folders of their own where there are several; what each returned."""
    place = Path(folder)
    several = len(targets) > 1
    return [write_reproducer(x, place / f"target-{k}" if several else place) for k, x in enumerate(targets)]


def reproducer_line(folder: Path | None) -> str:
    """What the user is told."""
    if folder is None:
        return "reproducer none: no operator was run again at the divergence"
    return f"reproducer {printable(str(folder))}: cd there and run python reproduce.py"


def _only_target_is_real(exhibit: Exhibit) -> bool:
    stored = next(iter(exhibit.trusted.values()))
    return exhibit.target.dtype.kind == "f" and stored.dtype.kind in "iu"


def _npz(exhibit: Exhibit) -> bytes:
    arrays: dict[str, Any] = {f"input_{place}": array for place, array in enumerate(exhibit.inputs.values())}
    arrays |= {"target": exhibit.target} | {f"kernels_{kernels}": array for kernels, array in exhibit.trusted.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()
