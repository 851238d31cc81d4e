"""Train the bundled digits model and write it, its float twin and the held-out test set.

Only needed to reproduce the committed files; running the demo needs none of this:

    python3 -m venv /tmp/train && /tmp/train/bin/pip install tensorflow-cpu scikit-learn
    /tmp/train/bin/python examples/models/train_digits.py [--out FOLDER]

Writes into examples/ (or FOLDER):

    models/digits_int8.tflite    input int8 (1, 8, 8, 1), output int8 (1, 10) softmax
    models/digits_float.tflite   the same network and weights in float32
    data/digits_test.npz         m_inputs_1: float32 (N, 8, 8, 1), pixel / 16, so 0..1; labels: int64 (N,)

Everything is seeded and runs in TensorFlow's deterministic mode on one thread: two runs on one machine give the same
bytes. The test samples take no part in training, in the choice of the network or in the calibration of the scales.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # oneDNN picks its summation order by the CPU it finds
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 1
TEST_SAMPLES = 400
VALIDATION_SAMPLES = 200
EPOCHS = 60
INPUT_SHAPE = (8, 8, 1)


def load_split() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Images float32 (N, 8, 8, 1) in 0..1 and labels int64 (N,) by part: train, validation, test."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32).reshape(-1, *INPUT_SHAPE)
    labels = digits.target.astype(np.int64)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SAMPLES, random_state=SEED, stratify=labels, shuffle=True
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION_SAMPLES, random_state=SEED, stratify=labels[rest], shuffle=True
    )
    parts = {"train": train, "validation": validation, "test": test}
    return {k: images[v] for k, v in parts.items()}, {k: labels[v] for k, v in parts.items()}


def shifted(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images and copies of them moved by one pixel left, right, up and down."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    corners = [(1, 1), (1, 0), (1, 2), (0, 1), (2, 1)]
    moved = [padded[:, y : y + INPUT_SHAPE[0], x : x + INPUT_SHAPE[1]] for y, x in corners]
    return np.concatenate(moved), np.tile(labels, len(corners))


def build_model(batch_size: int | None = None) -> keras.Model:
    """The network: conv 8 3x3, depthwise 3x3, conv 16 1x1, max pool 2x2, dense 10, softmax."""
    image = keras.Input(INPUT_SHAPE, batch_size=batch_size, name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = keras.layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(10, name="dense")(x)
    return keras.Model(image, keras.layers.Softmax(name="softmax")(x), name="digits")


def train(images: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> keras.Model:
    """A trained model with a free batch size."""
    model = build_model()
    x, y = shifted(images["train"], labels["train"])
    batch = 64
    steps = EPOCHS * -(-len(y) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = (images["validation"], labels["validation"])
    model.fit(x, y, batch_size=batch, epochs=EPOCHS, validation_data=validation, verbose=2)
    return model


def convert(model: keras.Model, calibration: np.ndarray | None) -> bytes:
    """The .tflite of one sample: full int8 when `calibration` images are given, else float32."""
    # A free batch dimension would leave SHAPE, STRIDED_SLICE and PACK operators in the file.
    fixed = build_model(batch_size=1)
    fixed.set_weights(model.get_weights())
    converter: Any = tf.lite.TFLiteConverter.from_keras_model(fixed)
    if calibration is not None:

        def representative() -> Iterator[list[np.ndarray]]:
            for image in calibration:
                yield [image[np.newaxis]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    content: bytes = converter.convert()
    return content


def main() -> None:
    """Train, convert, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1])
    out: Path = parser.parse_args().out

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    images, labels = load_split()
    model = train(images, labels)
    files = {
        "models/digits_int8.tflite": convert(model, images["train"]),
        "models/digits_float.tflite": convert(model, None),
    }
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"{path}: {len(content)} bytes")
    path = out / "data/digits_test.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, m_inputs_1=images["test"], labels=labels["test"])
    print(f"{path}: {len(labels['test'])} samples")


if __name__ == "__main__":
    main()
