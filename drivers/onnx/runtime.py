"""ONNX Runtime: finding it, and making sessions with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_runner.errors import InvalidModelError, InvalidParamError, MissingRuntimeError

# optimize= -> member of GraphOptimizationLevel.
LEVELS = {"none": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "all": "ORT_ENABLE_ALL"}
CPU = "CPUExecutionProvider"

_PROVIDER = "ExecutionProvider"
_FATAL = 4  # severity of what may be written to standard error; everything else arrives as an exception


@dataclass(frozen=True)
class Runtime:
    """ONNX Runtime with the choices of one connection.

    Attributes:
        module: the package.
        providers: what may run operators, the preferred one first.
        threads: for one operator; operators run one after another.
    """

    module: Any
    providers: tuple[str, ...]
    threads: int

    @property
    def version(self) -> str:
        """Of the package, for instance "1.31.1"."""
        return str(self.module.__version__)

    @property
    def version_numbers(self) -> tuple[int, int, int]:
        """(major, minor, micro); what is not a number counts as 0."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)[:3]]
        major, minor, micro = (numbers + [0, 0, 0])[:3]
        return major, minor, micro

    def session(
        self, model: str | bytes, label: str, level: str, dump: Path | None = None, profile: Path | None = None
    ) -> Any:
        """An InferenceSession.

        Args:
            model: path of a model, or its bytes.
            label: what messages call it.
            level: one of LEVELS, how far the graph is changed before it runs.
            dump: where to write the graph that is executed, as an .onnx file.
            profile: where to write a profile; a time and ``.json`` are put behind it.

        Raises:
            InvalidModelError: the runtime refuses the model.
            MissingRuntimeError: a provider does not start.
        """
        options = self.module.SessionOptions()
        options.graph_optimization_level = getattr(self.module.GraphOptimizationLevel, LEVELS[level])
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        options.use_deterministic_compute = True
        if dump is not None:
            options.optimized_model_filepath = str(dump)
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        try:
            # Without a fallback, which would print to standard output and go on with another provider.
            session = self.module.InferenceSession(model, options, providers=list(self.providers), enable_fallback=0)
        except Exception as error:  # its exceptions have no base of their own
            raise self.refusal(error, f"{label}: ONNX Runtime {self.version} refuses the model") from error
        silent = [name for name in self.providers if name not in session.get_providers()]
        if silent:
            raise MissingRuntimeError(
                f"{label}: {silent[0]} of ONNX Runtime {self.version} does not start",
                hint="leave it out of ?providers=, or install the libraries that it needs",
            )
        return session

    def refusal(self, error: Exception, what: str) -> InvalidModelError:
        """What the runtime's own exception `error` is to the caller."""
        reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", str(error).strip().partition("\n")[0].strip())
        return InvalidModelError(
            f"{what}: {reason or type(error).__name__}",
            hint="another version of onnxruntime, or another export of the model (opset, types), may do",
            evidence={"runtime": "ONNX Runtime", "version": self.version, "reason": str(error)},
        )


def find_runtime(providers: str, threads: int) -> Runtime:
    """The installed ONNX Runtime.

    Args:
        providers: names separated by commas, with or without "ExecutionProvider", upper or lower case.
        threads: for one operator.

    Raises:
        MissingRuntimeError: there is none that works.
        InvalidParamError: it has no such provider.
    """
    try:
        import onnxruntime
    except Exception as error:  # a binary made for another numpy raises anything, from ImportError to SystemError
        raise MissingRuntimeError(
            f"no ONNX Runtime works here ({type(error).__name__}: {error})",
            hint="pip install 'ai-runner[onnx]'",
            evidence={"reason": str(error)},
        ) from error
    available = {name.removesuffix(_PROVIDER).lower(): name for name in onnxruntime.get_available_providers()}
    wanted = []
    for name in providers.split(","):
        key = name.strip().lower().removesuffix(_PROVIDER.lower())
        if key not in available:
            raise InvalidParamError(
                f"onnx: this ONNX Runtime has no provider {name.strip()!r}",
                hint=f"providers={','.join(available.values())} are there",
            )
        wanted.append(available[key])
    return Runtime(onnxruntime, tuple(dict.fromkeys(wanted)), threads)
