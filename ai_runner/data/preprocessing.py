"""What is done with pixels, sound and values before they are a model's input: declared once, for every runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.errors import InvalidParamError
from ai_runner.toml import read_toml

Array = npt.NDArray[Any]

RESIZES = ("stretch", "crop", "letterbox")
FILTERS = ("bilinear", "nearest", "bicubic", "area")
LAYOUTS = ("nhwc", "nchw")
WINDOWS = ("first", "center", "all")


@dataclass(frozen=True)
class Preprocessing:
    """The steps, in the order in which they are taken; what is not declared is not done.

    Attributes:
        mono: average the channels of a sound.
        window: of a sound that is not as long as the input: ``first`` or ``center`` cut it or pad it with zeros,
            ``all`` makes a sample of every whole window.
        grayscale: ITU-R 601 luma of colours.
        resize: of images: ``stretch``, ``crop`` (the centre that has the model's proportions) or ``letterbox`` (black
            bars).
        filter: with which images are resized: ``bilinear`` (the default), ``nearest``, ``bicubic`` or ``area``.
        scale: low and high: the values that the darkest and the brightest pixel, or full scale of sound, get.
        mean, std: then ``(value - mean) / std``, one number, or one a channel.
        layout: of the model's input: ``nhwc`` or ``nchw``.
    """

    mono: bool = False
    window: str = ""
    grayscale: bool = False
    resize: str = ""
    filter: str = ""
    scale: tuple[float, float] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: str = ""

    def __str__(self) -> str:
        """As it can be given to `parse_preprocessing`, words separated by blanks; '' for nothing."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "scale" and value is not None:
                words.append(f"scale={value[0]:g}..{value[1]:g}")
            elif isinstance(value, tuple) and value:
                words.append(f"{field.name}={','.join(format(number, 'g') for number in value)}")
            elif value is True:
                words.append(field.name)
            elif isinstance(value, str) and value:
                words.append(f"{field.name}={value}")
        return " ".join(words)

    def check_used(self, known: Iterable[str], what: str) -> None:
        """Raises InvalidParamError for a step that `what`, the kind of data, does not know."""
        for field in fields(self):
            if getattr(self, field.name) not in ("", None, False, ()) and field.name not in known:
                raise InvalidParamError(
                    f"--preprocess {field.name}: is not for {what}", hint=f"they take {', '.join(known)}"
                )

    def normalized(self, values: Array, span: tuple[float, float] | None, channel_axis: int) -> Array:
        """Values scaled from `span` and standardised; as they are where neither is declared.

        Args:
            values: any shape.
            span: what `scale` maps from; None where `scale` has been applied, or is not to be.
            channel_axis: along which `mean` and `std` have their numbers.

        Returns:
            float32 of the same shape; `values` itself where nothing is declared.

        Raises:
            InvalidParamError: another number of means than channels.
        """
        if self.scale is not None and span is not None:
            (low, high), (bottom, top) = self.scale, span
            scaled = (values.astype(np.float64) - bottom) * ((high - low) / (top - bottom)) + low
            values = scaled.astype(np.float32)
        if not self.mean and not self.std:
            return values
        mean = self._by_channel("mean", self.mean or (0.0,), values.shape, channel_axis)
        std = self._by_channel("std", self.std or (1.0,), values.shape, channel_axis)
        standard: Array = (values.astype(np.float32) - mean) / std
        return standard

    @staticmethod
    def _by_channel(name: str, numbers: Sequence[float], shape: Sequence[int], axis: int) -> npt.NDArray[np.float32]:
        if len(numbers) == 1:
            return np.array(numbers, np.float32)
        channels = shape[axis] if shape else 0
        if len(numbers) != channels:
            raise InvalidParamError(f"--preprocess {name}: {len(numbers)} numbers for {channels} channels")
        aligned = [1] * len(shape)
        aligned[axis] = -1
        return np.array(numbers, np.float32).reshape(aligned)


def parse_preprocessing(words: Sequence[str]) -> Preprocessing:
    """``["resize=stretch", "scale=0..1", "grayscale"]``, or one ``FILE.toml`` with the same keys.

    Raises:
        InvalidParamError: a file that cannot be read, a key or value that does not exist.
    """
    if len(words) == 1 and words[0].lower().endswith(".toml"):
        path = Path(words[0])
        return _of_pairs(read_toml(path), str(path))
    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key in pairs:
            raise InvalidParamError(f"--preprocess {key}: is given twice")
        pairs[key] = value if equals else True
    return _of_pairs(pairs, "--preprocess")


def _of_pairs(pairs: Mapping[str, Any], where: str) -> Preprocessing:
    found = Preprocessing()
    for key, value in pairs.items():
        if key not in _READERS:
            raise InvalidParamError(f"{where}: there is no {key[:40]!r}", hint=f"there are {', '.join(_READERS)}")
        try:
            found = replace(found, **{key: _READERS[key](value)})
        except (ValueError, TypeError) as error:
            raise InvalidParamError(f"{where}: {key}={str(value)[:60]}: {error}") from error
    return found


def _choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"expected {', '.join(allowed[:-1])} or {allowed[-1]}")
        return str(value)

    return read


def _flag(value: Any) -> bool:
    if value in (True, "yes"):
        return True
    if value in (False, "no"):
        return False
    raise ValueError("expected yes or no")


def _span(value: Any) -> tuple[float, float]:
    parts = value.split("..") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 2:
        raise ValueError("expected LOW..HIGH, for example 0..1, -1..1 or 0..255")
    low, high = (_number(part) for part in parts)
    if low == high:
        raise ValueError("low and high are the same")
    return low, high


def _numbers(value: Any) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    if not parts:
        raise ValueError("expected a number, or one a channel")
    return tuple(_number(part) for part in parts)


def _deviations(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value)
    if min(numbers) <= 0:
        raise ValueError("a standard deviation is larger than 0")
    return numbers


def _number(value: Any) -> float:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise ValueError(f"{str(value)[:40]!r} is no finite number")
    return number


_READERS: dict[str, Callable[[Any], Any]] = {
    "mono": _flag,
    "window": _choice(*WINDOWS),
    "grayscale": _flag,
    "resize": _choice(*RESIZES),
    "filter": _choice(*FILTERS),
    "scale": _span,
    "mean": _numbers,
    "std": _deviations,
    "layout": _choice(*LAYOUTS),
}
