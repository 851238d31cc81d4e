"""Inputs from a function of the user: ``py:module:function``."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.data.array_inputs import ArrayInputs, arrays_of_inputs
from ai_runner.data.labels import LABEL_NAMES, LabelColumn, Labels, labels_of_array
from ai_runner.data.preprocessing import Preprocessing
from ai_runner.data.spool import Spool
from ai_runner.errors import AiRunnerError, InvalidParamError
from ai_runner.model import TensorInfo

Array = npt.NDArray[Any]
PREFIX = "py:"
_BARE = r"[A-Za-z_][\w.]+:[A-Za-z_]\w*"  # a drive has one letter


class LoaderInputs(ArrayInputs):
    """Inputs that a function makes.

    The module is looked for in the working directory and where Python looks, and imported; the function is called with
    the inputs of the model, a tuple of `TensorInfo`. It returns, or yields:

    * arrays with all samples: one array for a model with one input, or a dict, name of the input to array; or a pair
      ``(arrays, labels)``. A dict may have the labels as ``labels``.
    * samples one after the other (a generator, a list, anything that can be iterated over): an array; a list or dict of
      arrays for a model with several inputs; or a pair ``(sample, label)``. They are kept in a temporary file.

    A pair is a tuple of two, always; several inputs are never a tuple.
    """

    def __init__(
        self,
        text: str,
        inputs: Sequence[TensorInfo],
        preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 - frozen
        most: int | None = None,
    ) -> None:
        """Calls the function and takes all that it gives.

        Args:
            text: ``py:module:function``; the module may have dots.
            inputs: of the reference.
            preprocessing: what is done with the values.
            most: samples that are taken of those that come one by one; all without it.

        Raises:
            InvalidParamError: no such module or function, it raised, or gave what does not fit the inputs.
        """
        function = _function(text)
        with _faults_of(text):
            given = function(tuple(inputs))
        arrays, labels = _all_at_once(given, inputs, text)
        if arrays is None:
            arrays, labels = _one_by_one(given, inputs, text, most)
        super().__init__(arrays, inputs, text, labels=labels, preprocessing=preprocessing)


def names_loader(text: str) -> bool:
    """True for ``py:module:function``, and without ``py:`` for what is no file."""
    return text.startswith(PREFIX) or (re.fullmatch(_BARE, text) is not None and not Path(text).exists())


def _function(text: str) -> Callable[[tuple[TensorInfo, ...]], Any]:
    module_name, colon, name = text.removeprefix(PREFIX).rpartition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise InvalidParamError(f"{text}: is no loader", hint="py:MODULE:FUNCTION, for example py:my_data:load")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        with _faults_of(text):
            module = import_module(module_name)
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    function = getattr(module, name, None)
    if not callable(function):
        raise InvalidParamError(f"{text}: module '{module_name}' has no function '{name}'")
    return function  # type: ignore[no-any-return]


@contextmanager
def _faults_of(text: str) -> Iterator[None]:
    """Turns whatever the user's code raises into one line; the traceback is its evidence."""
    try:
        yield
    except AiRunnerError:
        raise
    except (Exception, SystemExit) as error:  # it is the code of somebody else
        if isinstance(error, ModuleNotFoundError) and error.name == text.removeprefix(PREFIX).split(":")[0]:
            raise InvalidParamError(
                f"{text}: there is no module '{error.name}'", hint=f"it is looked for in {Path.cwd()} first"
            ) from error
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
        # A line of the user's own says more than one of a library that it calls.
        frames = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())] or frames
        place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
        said = " ".join(str(error).split())
        raise InvalidParamError(
            f"{text}: raised {type(error).__name__}{': ' if said else ''}{said[:300]}{place}",
            evidence={"traceback": "".join(traceback.format_exception(error))},
        ) from error


def _all_at_once(given: Any, inputs: Sequence[TensorInfo], where: str) -> tuple[list[Array] | None, Labels | None]:
    """Arrays of all samples and their labels; None where the function gives its samples one by one."""
    answers: Any = None
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], np.ndarray | Mapping):
        given, answers = given
    if isinstance(given, np.ndarray):
        arrays = [given]
        if len(inputs) != 1:
            raise InvalidParamError(f"{where}: one array for {len(inputs)} inputs", hint="return a dict, name to array")
    elif isinstance(given, Mapping):
        named = {str(name): np.asarray(array) for name, array in given.items()}
        if answers is None:
            answers = next((named[name] for name in LABEL_NAMES if name in named), None)
        arrays = arrays_of_inputs({name: a for name, a in named.items() if a.dtype.kind != "U"}, inputs, where)
    else:
        return None, None
    for array in arrays:
        _check_kind(array, where)
    samples = len(arrays[0]) if arrays[0].ndim else 0
    return arrays, None if answers is None else labels_of_array(np.asarray(answers), where, samples)


def _one_by_one(
    given: Any, inputs: Sequence[TensorInfo], where: str, most: int | None
) -> tuple[list[Array], Labels | None]:
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise InvalidParamError(
            f"{where}: returned {type(given).__name__}", hint="return arrays, or yield samples (docs/data.md)"
        )
    column = LabelColumn(where)
    labelled: bool | None = None
    with Spool(len(inputs)) as spool:
        for i, item in enumerate(islice(_guarded(given, where), most)):
            place = f"{where}: sample {i}"
            has_label = isinstance(item, tuple)
            if has_label and len(item) != 2:
                raise InvalidParamError(f"{place}: a tuple of {len(item)}", hint="yield (sample, label)")
            sample, label = item if has_label else (item, None)
            if labelled not in (None, has_label):
                raise InvalidParamError(f"{place}: {'has a' if has_label else 'has no'} label, unlike those before")
            labelled = has_label
            arrays = _of_sample(sample, inputs, place)
            try:
                spool.add(arrays)
            except ValueError as error:
                raise InvalidParamError(f"{place}: {error}") from error
            if has_label:
                column.add(label, place)
        found = spool.arrays()
    if not found:
        raise InvalidParamError(f"{where}: no samples")
    return found, column.result() if labelled else None


def _guarded(given: Iterable[Any], where: str) -> Iterator[Any]:
    with _faults_of(where):
        iterator = iter(given)
    while True:
        with _faults_of(where):
            item = next(iterator, _END)
        if item is _END:
            return
        yield item


def _of_sample(sample: Any, inputs: Sequence[TensorInfo], place: str) -> list[Array]:
    """One array an input, of the shape of one sample."""
    if isinstance(sample, Mapping):
        missing = [tensor.name for tensor in inputs if tensor.name not in sample]
        if missing:
            raise InvalidParamError(f"{place}: nothing for input '{missing[0]}'")
        parts = [sample[tensor.name] for tensor in inputs]
    else:
        parts = list(sample) if isinstance(sample, list) and len(inputs) > 1 else [sample]
    if len(parts) != len(inputs):
        raise InvalidParamError(f"{place}: {len(parts)} arrays for {len(inputs)} inputs")
    arrays = []
    for part, tensor in zip(parts, inputs, strict=True):
        try:
            array = np.asarray(part)
        except ValueError as error:
            raise InvalidParamError(f"{place}: is no array: {error}") from error
        _check_kind(array, place)
        if [n for n in array.shape if n != 1] != [n for n in tensor.sample_shape if n != 1]:
            raise InvalidParamError(
                f"{place}: shape {list(array.shape)}, input '{tensor.name}' takes {list(tensor.sample_shape)}"
            )
        arrays.append(array.reshape(tensor.sample_shape))
    return arrays


def _check_kind(array: Array, where: str) -> None:
    if array.dtype.kind not in "iubf":
        raise InvalidParamError(f"{where}: dtype {array.dtype} is no number")


_END = object()
