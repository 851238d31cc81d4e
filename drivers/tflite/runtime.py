"""Finding a TensorFlow Lite runtime and making interpreters with it.

What imports need not work: tflite-runtime 2.14 imports beside numpy 2 and then fails to construct an Interpreter. So a
runtime counts as found when it has allocated a model.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ai_runner.errors import AiRunnerError, InvalidModelError, MissingRuntimeError

# A .tflite file of schema version 3 whose one graph has no tensor and no operator.
EMPTY_MODEL = bytes.fromhex(
    "1c00000054464c3314001c001800140010000c0008000000000004001400000018000000180000002400000028000000"
    "5c000000030000000000000001000000080000000400040004000000010000007800000001000000100000000c001400"
    "10000c00080004000c000000100000001000000010000000100000000000000000000000000000000000000000000000"
)

# kernels= -> member of OpResolverType; "default" leaves the choice to the runtime.
_RESOLVERS = {
    "xnnpack": "BUILTIN",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
KERNELS = ("default", *_RESOLVERS)


@dataclass(frozen=True)
class Runtime:
    """An installed runtime.

    Attributes:
        name: "LiteRT", "TensorFlow Lite" or "tflite-runtime".
        version: as its package says, for instance "2.3.0".
        interpreter: its Interpreter class.
        resolver_types: its OpResolverType enumeration.
    """

    name: str
    version: str
    interpreter: Callable[..., Any]
    resolver_types: Any

    @property
    def version_numbers(self) -> tuple[int, int, int]:
        """(major, minor, micro); what is not a number counts as 0."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)[:3]]
        major, minor, micro = (numbers + [0, 0, 0])[:3]
        return major, minor, micro

    @property
    def overwrites_operands(self) -> bool:
        """True when a dump of all tensors shows the operand of an in-place operator after it was overwritten."""
        return self.name == "tflite-runtime"

    def allocate(self, model: bytes, kernels: str, threads: int | None, preserve: bool, label: str) -> Any:
        """An Interpreter of `model` with its tensors allocated.

        Args:
            model: a .tflite file.
            kernels: one of KERNELS.
            threads: for kernels that can use several; None leaves it to the runtime.
            preserve: keep every intermediate tensor readable after a run.
            label: what messages call the model.

        Raises:
            InvalidModelError: the runtime refuses the model; the message has the first line of its reason.
        """
        options: dict[str, Any] = {}
        if kernels in _RESOLVERS:
            options["experimental_op_resolver_type"] = getattr(self.resolver_types, _RESOLVERS[kernels])
        if threads is not None:
            options["num_threads"] = threads
        if preserve:
            options["experimental_preserve_all_tensors"] = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about preserving being for debugging, and about tf.lite's future
                interpreter = self.interpreter(model_content=model, **options)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self.refusal(error, f"{label}: {self.name} {self.version} refuses the model") from error
        return interpreter

    def refusal(self, error: Exception, what: str) -> InvalidModelError:
        """What the runtime's own exception `error` is to the caller."""
        return InvalidModelError(
            f"{what}: {_first_line(error) or type(error).__name__}",
            hint="another kernel set (?kernels=builtin, ?kernels=reference) or version may support it",
            evidence={"runtime": self.name, "version": self.version, "reason": str(error)},
        )


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, AiRunnerError) else str(error)
    return text.strip().partition("\n")[0].strip()


def _litert() -> Runtime:
    from importlib.metadata import version

    from ai_edge_litert import interpreter

    return Runtime("LiteRT", version("ai-edge-litert"), interpreter.Interpreter, interpreter.OpResolverType)


def _tensorflow() -> Runtime:
    import tensorflow

    lite = tensorflow.lite
    return Runtime("TensorFlow Lite", tensorflow.__version__, lite.Interpreter, lite.experimental.OpResolverType)


def _tflite_runtime() -> Runtime:
    import tflite_runtime
    from tflite_runtime import interpreter

    return Runtime("tflite-runtime", tflite_runtime.__version__, interpreter.Interpreter, interpreter.OpResolverType)


CANDIDATES: dict[str, Callable[[], Runtime]] = {
    "ai-edge-litert": _litert,
    "tensorflow": _tensorflow,
    "tflite-runtime": _tflite_runtime,
}
"""Packages in the order of preference."""


def find_runtime() -> Runtime:
    """The first candidate that constructs an Interpreter.

    Raises:
        MissingRuntimeError: none does; message and evidence have what each one said.
    """
    said: dict[str, str] = {}
    for package, load in CANDIDATES.items():
        # A binary made for another numpy raises anything, from ImportError to SystemError.
        try:
            runtime = load()
            runtime.allocate(EMPTY_MODEL, "default", None, False, "a model without operators")
        except Exception as error:
            said[package] = f"{type(error).__name__}: {_first_line(error)}"
        else:
            return runtime
    reasons = "; ".join(f"{package}: {reason}" for package, reason in said.items())
    raise MissingRuntimeError(
        f"no runtime for .tflite models works here ({reasons})", hint="pip install ai-edge-litert", evidence=said
    )
