"""A .tflite model to an engine file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ai_runner.eim_engine.archive import interpreter_line, python_path, write_archive
from ai_runner.eim_engine.description import describe
from ai_runner.eim_engine.engine.classifier import Classifier
from ai_runner.eim_engine.engine.impulse import Impulse
from ai_runner.eim_engine.engine.network import NoRuntime
from ai_runner.eim_engine.options import EngineOptions
from ai_runner.errors import InvalidModelError, MissingRuntimeError
from ai_runner.tflite_model import TfliteModel


@dataclass(frozen=True)
class EngineBuild:
    """An engine file.

    Attributes:
        path: where it is.
        impulse: what it serves.
        interpreter: its first line.
    """

    path: Path
    impulse: Impulse
    interpreter: str


def build_engine(model: str | Path, out: str | Path, options: EngineOptions | None = None) -> EngineBuild:
    """Writes the executable `out`, which serves `model` to clients of Edge Impulse's Linux runner.

    The model is run once, on zeros, before anything is written.

    Raises:
        InvalidParamError: a file or an option is wrong.
        InvalidModelError: no engine can serve the model, or the runtime refuses it.
        MissingRuntimeError: no runtime for .tflite models is installed.
    """
    options = options or EngineOptions()
    tflite = TfliteModel.read(model)
    impulse = describe(tflite, options)
    line = interpreter_line(options.interpreter)
    if options.interpreter is None:
        impulse = impulse._replace(python_path=python_path())
    _try(impulse, tflite)
    path = Path(out)
    write_archive(path, line, impulse, tflite.raw)
    return EngineBuild(path, impulse, line.decode(errors="replace").strip())


def _try(impulse: Impulse, model: TfliteModel) -> None:
    try:
        done = Classifier(impulse, model.raw).classify(np.zeros(impulse.features_count, np.float32), 0.5)
    except NoRuntime as error:
        if error.missing:
            raise MissingRuntimeError(str(error), hint="pip install ai-edge-litert") from error
        raise InvalidModelError(f"{model.path}: {error}", hint="another version of LiteRT may support it") from error
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InvalidModelError(f"{model.path}: cannot be run: {reason}", hint="try it with tflite:") from error
    sizes = tuple(len(values) for values in done.outputs)
    if sizes != impulse.outputs:
        raise InvalidModelError(
            f"{model.path}: outputs of {sizes} values where the file promises {impulse.outputs}",
            hint="outputs whose size depends on the data cannot be served",
        )
