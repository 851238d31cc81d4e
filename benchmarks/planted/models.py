"""The models that faults are planted into, with inputs as they come in the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.model import TensorInfo
from ai_runner.tflite_model import TfliteModel

Array = npt.NDArray[Any]

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "models"
EXAMPLES = REPOSITORY / "examples"


@dataclass(frozen=True)
class BenchModel:
    """A model and where its inputs come from."""

    name: str
    path: Path
    is_float: bool = False

    @property
    def available(self) -> bool:
        """False where ../shared is absent."""
        return self.path.exists()

    def inputs(self, tensors: Sequence[TensorInfo], samples: int, seed: int) -> list[Array]:
        """``(samples,) + sample_shape`` in the type of the model's input, one an input."""
        rng = np.random.default_rng(seed)
        task = self.name.removesuffix("_float")
        shape = tensors[0].sample_shape
        if task in ("resnet8", "vww"):
            values: Array = _images(rng, samples, shape) / (255.0 if task == "vww" else 1.0)
        else:
            values = {"kws": _keywords, "ad01": _machines, "digits": _digits}[task](rng, samples)
        return [_stored(values.reshape(samples, *shape), tensors[0])]


@dataclass(frozen=True)
class OwnModel(BenchModel):
    """A model of the user's own; its inputs are in the .npz beside it, or random where there is none."""

    @classmethod
    def of(cls, path: Path) -> OwnModel:
        """One whose layers are of floats has float weights as well."""
        tensors = TfliteModel.read(path).tensors
        return cls(path.stem, path, not any(tensor.type_name in ("INT8", "UINT8") for tensor in tensors))

    def inputs(self, tensors: Sequence[TensorInfo], samples: int, seed: int) -> list[Array]:
        rng = np.random.default_rng(seed)
        recorded = self.path.with_suffix(".npz")
        if not recorded.exists():
            return [_stored(rng.normal(0.0, 1.0, (samples, *tensor.sample_shape)), tensor) for tensor in tensors]
        with np.load(recorded) as arrays:
            given = list(arrays.values())
        rows = rng.choice(len(given[0]), samples, replace=samples > len(given[0]))
        return [
            array[rows].astype(tensor.dtype).reshape(samples, *tensor.sample_shape)
            for array, tensor in zip(given, tensors, strict=True)
        ]


MODELS = (
    BenchModel("digits", EXAMPLES / "models" / "digits_int8.tflite"),
    BenchModel("kws", SHARED / "kws_ref_model.tflite"),
    BenchModel("ad01", SHARED / "ad01_int8.tflite"),
    BenchModel("resnet8", SHARED / "pretrainedResnet_quant.tflite"),
    BenchModel("vww", SHARED / "vww_96_int8.tflite"),
    BenchModel("digits_float", EXAMPLES / "models" / "digits_float.tflite", is_float=True),
    BenchModel("ad01_float", SHARED / "ad01_fp32.tflite", is_float=True),
    BenchModel("resnet8_float", SHARED / "pretrainedResnet.tflite", is_float=True),
    BenchModel("vww_float", SHARED / "vww_96_float.tflite", is_float=True),
)


def _stored(values: Array, tensor: TensorInfo) -> Array:
    real: Array = values.astype(np.float32)
    return real if tensor.quantization is None else tensor.quantization.quantize(real, tensor.dtype)


def _keywords(rng: np.random.Generator, samples: int) -> Array:
    """The one recorded keyword, moved in time, louder or softer, with noise."""
    recorded = (np.load(SHARED / "kws_inputs_int8.npy").reshape(49, 10).astype(np.float64) - 83.0) * 0.58470291
    moved = np.stack([np.roll(recorded, shift, axis=0) for shift in rng.integers(-3, 4, samples)])
    gain = rng.uniform(0.8, 1.2, (samples, 1, 1))
    values: Array = moved * gain + rng.normal(0.0, rng.uniform(0.0, 3.0, (samples, 1, 1)), moved.shape)
    return values


def _machines(rng: np.random.Generator, samples: int) -> Array:
    """Five consecutive log-mel frames of a machine's noise."""
    frames = np.load(SHARED / "ad_logmel_f32.npy")
    starts = rng.choice(len(frames) - 4, samples, replace=samples > len(frames) - 4)
    return np.stack([frames[start : start + 5].reshape(-1) for start in starts])


def _digits(rng: np.random.Generator, samples: int) -> Array:
    images: Array = np.load(EXAMPLES / "data" / "digits_test.npz")["m_inputs_1"]
    return images[rng.choice(len(images), samples, replace=samples > len(images))]


def _images(rng: np.random.Generator, samples: int, shape: tuple[int, ...]) -> Array:
    """Whole numbers 0..255: patches of colour, brighter or darker, with noise."""
    height, width, channels = shape
    side = height // 8
    patches = rng.uniform(0.0, 255.0, (samples, 8, 8, channels)) * rng.uniform(0.3, 1.0, (samples, 1, 1, 1))
    images = patches.repeat(side, axis=1).repeat(side, axis=2)
    noise = rng.normal(0.0, rng.uniform(2.0, 40.0, (samples, 1, 1, 1)), (samples, height, width, channels))
    values: Array = np.rint(np.clip(images + noise, 0.0, 255.0))
    return values
