"""Engines to talk to: in this process, and as processes of their own behind a bare socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.eim_engine import EngineOptions, build_engine

DIGITS = tuple("0123456789")


class Engine:
    """An engine process and the bare client of its socket, without any of our own client code."""

    def __init__(self, path: Path, socket_path: Path) -> None:
        self.socket_path = socket_path
        self.process = subprocess.Popen(
            [path, socket_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=socket_path.parent
        )
        self.connection = self.connect()
        self._identifier = 0

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        while True:
            try:
                connection.connect(str(self.socket_path))
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.001)
            else:
                return connection

    def raw(self, data: bytes) -> bytes:
        """Sends bytes, returns one reply with its line feed and NUL; what came before the end of the stream."""
        self.connection.sendall(data)
        reply = b""
        while not reply.endswith(b"\0"):
            part = self.connection.recv(1 << 16)
            if not part:
                break
            reply += part
        return reply

    def ask(self, **request: Any) -> Any:
        self._identifier += 1
        reply = json.loads(self.raw(json.dumps({**request, "id": self._identifier}).encode())[:-1])
        assert reply.pop("id", self._identifier) == self._identifier
        return reply

    def close(self) -> tuple[int, bytes, bytes]:
        """Closes the connection; exit code, standard output and error."""
        self.connection.close()
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@dataclass
class T:
    """A tensor of a model to be; `scale` quantises it from 0, `data` makes it a constant."""

    name: str
    shape: tuple[int, ...]
    kind: str = "FLOAT32"
    scale: float | None = None
    data: Any = None
    variable: bool = False


@dataclass
class Op:
    """An operator of a model to be: tensors by their numbers, options by the names of LiteRT's schema."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: str
    options: dict[str, Any]


def tflite(tensors: list[T], operators: list[Op], inputs: list[int], outputs: list[int]) -> bytes:
    """A .tflite file."""
    schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT writes this model")
    import flatbuffers

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], inputs, outputs
    for spec in tensors:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.isVariable = spec.name, list(spec.shape), spec.variable
        tensor.type = getattr(schema.TensorType, spec.kind)
        if spec.scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [spec.scale], [0]
        if spec.data is not None:
            constant = schema.BufferT()
            constant.data = np.frombuffer(np.asarray(spec.data, np.float32).tobytes(), np.uint8)
            model.buffers.append(constant)
            tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
    for number, spec_ in enumerate(operators):
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, spec_.name)
        code.version = 1
        model.operatorCodes.append(code)
        operator.opcodeIndex, operator.inputs, operator.outputs = number, list(spec_.inputs), list(spec_.outputs)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, spec_.table)
        operator.builtinOptions = getattr(schema, f"{spec_.table}T")()
        for key, value in spec_.options.items():
            setattr(operator.builtinOptions, key, value)
        graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def mean_colours(*sizes: int) -> bytes:
    """uint8 (1, 24, 32, 3) -> for each size the mean colours of patches of size x size pixels."""
    grids = [T(f"grid{size}", (1, 24 // size, 32 // size, 3), "UINT8", 1 / 255) for size in sizes]
    pools = [
        Op("AVERAGE_POOL_2D", (0,), (k,), "Pool2DOptions", {"padding": 1} | dict.fromkeys(POOL, size))
        for k, size in enumerate(sizes, start=1)
    ]
    return tflite([T("image", (1, 24, 32, 3), "UINT8", 1 / 255), *grids], pools, [0], list(range(1, len(sizes) + 1)))


POOL = ("strideW", "strideH", "filterWidth", "filterHeight")


@pytest.fixture(scope="session")
def colours_eim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that a person can check: red is the background, green and blue are the objects, from 0.6."""
    folder = tmp_path_factory.mktemp("colours")
    (folder / "colours.tflite").write_bytes(mean_colours(8))
    options = EngineOptions(sensor="camera", labels=("green", "blue"), threshold=0.6)
    return build_engine(folder / "colours.tflite", folder / "colours.eim", options).path


@pytest.fixture(scope="session")
def two_outputs_eim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean colours of patches of 8 and of 4 pixels, freeform: 36 and 144 values of 24 x 32 x 3 features."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "two.tflite").write_bytes(mean_colours(8, 4))
    return build_engine(folder / "two.tflite", folder / "two.eim").path


@pytest.fixture(scope="session")
def counting_tflite() -> bytes:
    """SVDF with a memory of three: left alone, ones as input make it answer 1, 2, 3, 3, ..."""
    tensors = [
        T("x", (1, 2)),
        T("features", (2, 2), data=np.eye(2)),
        T("time", (2, 3), data=np.ones((2, 3))),
        T("state", (1, 6), variable=True),
        T("y", (1, 2)),
    ]
    return tflite(tensors, [Op("SVDF", (0, 1, 2, -1, 3), (4,), "SVDFOptions", {"rank": 1})], [0], [4])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path], Engine]]:
    """Starts an engine file and connects to it; ends it with the test."""
    engines: list[Engine] = []

    def start_engine(path: Path) -> Engine:
        engines.append(Engine(path, tmp_path / f"{len(engines)}.sock"))
        return engines[-1]

    yield start_engine
    for engine in engines:
        engine.connection.close()  # which ends it, and lets it remove its shared memory
        try:
            engine.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            engine.process.kill()
            engine.process.communicate()
            raise


@pytest.fixture(scope="session")
def digits_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as an engine: 64 features in 0..1, labels 0 to 9."""
    path = tmp_path_factory.mktemp("engines") / "digits.eim"
    build_engine(digits_int8, path, EngineOptions(labels=DIGITS, project_name="Digits"))
    return path


@pytest.fixture(scope="session")
def digits_camera_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as the model of a grayscale camera of 8 x 8 pixels."""
    path = tmp_path_factory.mktemp("engines") / "camera.eim"
    build_engine(digits_int8, path, EngineOptions(sensor="camera", labels=DIGITS))
    return path


@pytest.fixture(scope="session")
def digits_audio_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` as if its 64 features were sound: what continuous classification needs."""
    path = tmp_path_factory.mktemp("engines") / "audio.eim"
    build_engine(digits_int8, path, EngineOptions(sensor="microphone", labels=DIGITS))
    return path


@pytest.fixture(scope="session")
def digits_freeform_eim(digits_int8: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits_int8` with its scores as a freeform output."""
    path = tmp_path_factory.mktemp("engines") / "freeform.eim"
    build_engine(digits_int8, path, EngineOptions(model_type="freeform"))
    return path
