"""The specimens that the contract is checked on.

A driver of another package joins in by naming its specimens in the environment::

    AI_RUNNER_SPECIMENS=my_package.specimens:SPECIMENS pytest tests/conformance

where SPECIMENS is a mapping from a name to a function that takes pytest's `request` and returns an object with the
attributes of `Specimen`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.driver import Array, Driver
from ai_runner.errors import AiRunnerError
from ai_runner.registry import create_driver

OPEN_S = 60.0
ABI_PROBE_VARIANTS = ("legacy_f32", "legacy_s8", "legacy_f32_ext", "stai_f32", "stai_s8", "stai_f32_ext", "stai_named")


@dataclass(frozen=True)
class Specimen:
    """A model behind a driver.

    Attributes:
        descriptor: what opens it.
        keywords: arguments besides the descriptor.
        expected: the outputs for a batch of inputs; None where only consistency can be checked.
        create: makes the driver; the registry does it unless a driver is not registered.
    """

    descriptor: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    expected: Callable[[Sequence[Array]], Sequence[Array]] | None = None
    create: Callable[..., Driver] = create_driver

    def driver(self, option: str = "", **keywords: Any) -> Driver:
        """Constructed and not open; `option` is put behind the options that the descriptor has."""
        joint = "&" if "?" in self.descriptor else "?"
        descriptor = parse_descriptor(f"{self.descriptor}{joint}{option}" if option else self.descriptor)
        return self.create(descriptor, **{**self.keywords, **keywords})

    def elsewhere(self, address: str) -> Driver:
        """A driver of the same scheme for another address."""
        return self.create(Descriptor(parse_descriptor(self.descriptor).scheme, address))


def difference_and_sum(inputs: Sequence[Array]) -> Sequence[Array]:
    a, b = inputs
    return [a - b, a + b]


def tflite_arithmetic(folder: Path) -> Path:
    """Two float inputs (1, 2, 3) and (1, 2, 3); the outputs are their difference and their sum."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="LiteRT writes the model of this test")
    import flatbuffers

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [schema.BufferT()], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [0, 1], [2, 3]
    for name in ("a", "b", "difference", "sum"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, [1, 2, 3], schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    for k, (name, options) in enumerate((("SUB", "SubOptions"), ("ADD", "AddOptions"))):
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 1
        operator.opcodeIndex, operator.inputs, operator.outputs = k, [0, 1], [2 + k]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        operator.builtinOptions = getattr(schema, f"{options}T")()
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "arithmetic.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def tflite(options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    def specimen(request: pytest.FixtureRequest) -> Specimen:
        path = tflite_arithmetic(request.getfixturevalue("tmp_path_factory").mktemp("tflite"))
        return Specimen(f"tflite:{path}{options}", expected=difference_and_sum)

    return specimen


def onnx_arithmetic(batch: str | int, options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    """The same two inputs and outputs as an .onnx file; `batch` is the first dimension, open when it is a name."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        onnx = pytest.importorskip("onnx", reason="onnx writes the model of this test")
        pytest.importorskip("onnxruntime", reason="no runtime for .onnx models")
        value, shape = onnx.helper.make_tensor_value_info, [batch, 2, 3]
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Sub", ["a", "b"], ["sub"]), onnx.helper.make_node("Add", ["a", "b"], ["add"])],
            "arithmetic",
            [value(name, onnx.TensorProto.FLOAT, shape) for name in ("a", "b")],
            [value(name, onnx.TensorProto.FLOAT, shape) for name in ("sub", "add")],
        )
        opset = [onnx.helper.make_opsetid("", 17)]
        path = request.getfixturevalue("tmp_path_factory").mktemp("onnx") / "arithmetic.onnx"
        path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
        return Specimen(f"onnx:{path}{options}", expected=difference_and_sum)

    return specimen


def digits(options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    def specimen(request: pytest.FixtureRequest) -> Specimen:
        pytest.importorskip("ai_edge_litert", reason="no runtime for .tflite models")
        return Specimen(f"tflite:{request.getfixturevalue('digits_int8')}{options}")

    return specimen


def twice_and_negative(inputs: Sequence[Array]) -> Sequence[Array]:
    image, bias = inputs
    return [image * 2 + 1, -bias]


def twin(api: str, options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    """The network of tests/drivers/c_library/sources/twin.h."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        library = request.getfixturevalue("libraries")
        return Specimen(f"file:{library(api)}{options}", expected=twice_and_negative)

    return specimen


def abi_probe(variant: str) -> Callable[[pytest.FixtureRequest], Specimen]:
    def specimen(request: pytest.FixtureRequest) -> Specimen:
        return Specimen(f"file:{request.getfixturevalue('abi_probe_build') / variant}")

    return specimen


def reference_kernels(path: Path) -> Callable[[Sequence[Array]], Sequence[Array]]:
    """What a bare interpreter with LiteRT's reference kernels gives for a model of one input and one output."""

    def expected(inputs: Sequence[Array]) -> Sequence[Array]:
        interpreter_module = pytest.importorskip("ai_edge_litert.interpreter", reason="no LiteRT to compare with")
        kernels = interpreter_module.OpResolverType.BUILTIN_REF
        interpreter = interpreter_module.Interpreter(str(path), experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
        outputs = []
        for sample in inputs[0]:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[np.newaxis])
            interpreter.invoke()
            outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
        return [np.stack(outputs)]

    return expected


def c_model(api: str, options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    """The bundled model, generated as C."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        from ai_runner.c_model.generator import generate

        path = request.getfixturevalue("digits_int8")
        compiler = request.getfixturevalue("compiler")
        folder = request.getfixturevalue("tmp_path_factory").mktemp("c_model") / "out"
        built = generate(path, folder, api=api, cc=compiler, cflags="-O1 -ffp-contract=off")
        return Specimen(f"file:{built.folder}{options}", expected=reference_kernels(path))

    return specimen


def board(**choices: Any) -> Callable[[pytest.FixtureRequest], Specimen]:
    """The bundled model on aiValidation firmware behind a pseudo-terminal; each driver gets a board of its own."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        from ai_runner.firmware import build_firmware, start_firmware

        path = request.getfixturevalue("digits_int8")
        request.getfixturevalue("compiler")
        if not hasattr(os, "openpty"):
            pytest.skip("no pseudo-terminals")
        folder = request.getfixturevalue("tmp_path_factory").mktemp("board") / "out"
        build = build_firmware({"digits": path}, folder, **choices)

        def create(descriptor: Descriptor, **keywords: Any) -> Driver:
            if descriptor.address == "board":
                running = start_firmware(build.folder)
                request.addfinalizer(running.stop)
                address = parse_descriptor(running.descriptor).address
                descriptor = replace(descriptor, address=address)
            return create_driver(descriptor, **keywords)

        return Specimen("serial:board", expected=reference_kernels(path), create=create)

    return specimen


def echo_of_features(inputs: Sequence[Array]) -> Sequence[Array]:
    return [inputs[0][:, :3]]


def engine(options: str = "", **scenario: Any) -> Callable[[pytest.FixtureRequest], Specimen]:
    """A scripted Edge Impulse engine, whose classification is its first three features."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        folder = request.getfixturevalue("tmp_path_factory").mktemp("engine")
        path = request.getfixturevalue("write_engine")(folder / "echo.eim", scenario)
        return Specimen(f"eim:{path}{options}", expected=echo_of_features)

    return specimen


def twice_and_next(inputs: Sequence[Array]) -> Sequence[Array]:
    """What the stand-in's classifier of three labels computes (tests/drivers/ei_library/stub_sdk/tflite-model)."""
    (features,) = inputs
    return [2 * features[:, 0:3] + features[:, 1:4]]


def ei_library(kind: str = "classifier", options: str = "") -> Callable[[pytest.FixtureRequest], Specimen]:
    def specimen(request: pytest.FixtureRequest) -> Specimen:
        path = request.getfixturevalue("stub_library")(kind)
        return Specimen(f"ei:{path}{options}", expected=twice_and_next if kind == "classifier" else None)

    return specimen


def bundle(name: str) -> Callable[[pytest.FixtureRequest], Specimen]:
    """Saved outputs of a model that doubles its input, for everything that the contract asks."""

    def specimen(request: pytest.FixtureRequest) -> Specimen:
        from ai_runner.bundle.writer import BundleWriter
        from ai_runner.model import DeviceInfo, Mode, ModelInfo, RuntimeInfo, TensorInfo
        from ai_runner.profile import RunResult, TimeSource

        path = request.getfixturevalue("tmp_path_factory").mktemp("bundle") / name
        tensors = [TensorInfo(tensor, (1, 2, 3), np.dtype(np.float32)) for tensor in "xy"]
        runtime, device = RuntimeInfo("a protocol", "Twice", (1, 2, 3)), DeviceInfo("HOST", "here", "x")
        info = ModelInfo("network", (tensors[0],), (tensors[1],), runtime, device)
        random = [np.random.default_rng(seed).standard_normal((64, 2, 3)) for seed in (0, 1)]
        rows = np.concatenate([np.zeros((1, 2, 3)), np.ones((1, 2, 3)), *random]).astype(np.float32)
        report = {"provenance": {"samples": len(rows)}, "targets": [], "reference": {"descriptor": "twice:"}}
        with BundleWriter(path) as writer:
            result = RunResult(info, Mode.IO_ONLY, (2 * rows,), [0.5] * len(rows), TimeSource.HOST)
            writer.ran(None, [rows], result)
            writer.finish(report, info, {})
        return Specimen(f"bundle:{path}?runtime=reference", expected=lambda inputs: [2 * inputs[0]])

    return specimen


SPECIMENS: dict[str, Callable[[pytest.FixtureRequest], Any]] = {
    "tflite": tflite(),
    "tflite-reference": tflite("?kernels=reference&threads=2&state=keep"),
    "tflite-isolated": tflite("?isolate=process"),
    "tflite-digits": digits(),
    "onnx": onnx_arithmetic("N"),
    "onnx-one-by-one": onnx_arithmetic(1, "?optimize=all&threads=2"),
    "onnx-isolated": onnx_arithmetic("N", "?isolate=process"),
    "bundle": bundle("saved"),
    "bundle-zipped": bundle("saved.zip"),
    "legacy": twin("legacy"),
    "legacy-one-by-one": twin("legacy", "?loop=sample"),
    "legacy-isolated": twin("legacy", "?isolate=process"),
    "stai": twin("stai"),
    "c-model-legacy": c_model("legacy"),
    "c-model-stai": c_model("st-ai"),
    "c-model-isolated": c_model("st-ai", "?isolate=process"),
    "ei": ei_library(),
    "ei-isolated": ei_library(options="?isolate=process"),
    "ei-detector": ei_library("fomo"),
    "ei-detector-isolated": ei_library("fomo", "?isolate=process"),
    "serial": board(),
    "serial-large-packets": board(large_packet=4094),
    "serial-v3.1-1b": board(dialect="v3.1-1b"),
    "serial-v2.1": board(dialect="v2.1"),
    "eim": engine("?shm=always"),
    "eim-json": engine(shm=False),
    "eim-stdin": engine("?mode=stdin&debug=1"),
    **{f"abi-probe-{variant}": abi_probe(variant) for variant in ABI_PROBE_VARIANTS},
}


def specimens_of_other_packages() -> Mapping[str, Callable[[pytest.FixtureRequest], Any]]:
    location = os.environ.get("AI_RUNNER_SPECIMENS", "")
    if not location:
        return {}
    module, _, name = location.partition(":")
    found: Mapping[str, Callable[[pytest.FixtureRequest], Any]] = getattr(import_module(module), name)
    return found


@pytest.fixture(scope="session")
def libraries(repository: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds the twin network in one API, once."""
    built: dict[str, Path] = {}

    def build(api: str) -> Path:
        if api not in built:
            source = repository / "tests" / "drivers" / "c_library" / "sources" / f"{api}_twin.c"
            path = tmp_path_factory.mktemp(api) / "libai_network.so"
            flags = ["-std=gnu11", "-O1", "-fPIC", "-shared", "-Wno-psabi"]
            subprocess.run([*compiler.split(), *flags, str(source), "-o", str(path)], check=True)
            built[api] = path
        return built[api]

    return build


@pytest.fixture(scope="session")
def abi_probe_build(abi_probe: Path, compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the variants of ../shared/abi_probe that are specimens."""
    out = tmp_path_factory.mktemp("abi_probe")
    variants = " ".join(ABI_PROBE_VARIANTS)
    subprocess.run(
        ["make", "-s", "-C", str(abi_probe), f"OUT={out}", f"CC={compiler}", f"VARIANTS={variants}"], check=True
    )
    return out


@pytest.fixture(scope="module", params=sorted({**SPECIMENS, **specimens_of_other_packages()}))
def specimen(request: pytest.FixtureRequest) -> Any:
    """Each specimen in turn."""
    return {**SPECIMENS, **specimens_of_other_packages()}[request.param](request)


@pytest.fixture(scope="module")
def shared_driver(specimen: Any) -> Iterator[Driver]:
    """One driver for all tests of a specimen, whatever they do to it."""
    made: Driver = specimen.driver()
    yield made
    made.close()


@pytest.fixture
def driver(shared_driver: Driver) -> Driver:
    """The specimen's driver, open."""
    try:
        shared_driver.info(shared_driver.names()[0])
    except (AiRunnerError, IndexError):
        shared_driver.open(Deadline(OPEN_S))
    return shared_driver


@pytest.fixture
def name(driver: Driver) -> str:
    """The first of its models."""
    return driver.names()[0]


@pytest.fixture
def random_inputs(driver: Driver, name: str) -> Callable[..., list[Array]]:
    """Makes a batch as `Driver.invoke` is promised it."""

    def inputs(batch: int, seed: int = 0) -> list[Array]:
        random = np.random.default_rng(seed)
        arrays = []
        for tensor in driver.info(name).inputs:
            shape = (batch, *tensor.sample_shape)
            if tensor.dtype.kind == "f":
                arrays.append(random.standard_normal(shape).astype(tensor.dtype))
            else:
                limits = np.iinfo(tensor.dtype)
                arrays.append(random.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True))
        return arrays

    return inputs
