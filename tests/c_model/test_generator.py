from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_runner import AiRunner
from ai_runner.c_model import APIS, generate
from ai_runner.c_model.compiler import library_suffix
from ai_runner.errors import HwIOError, InvalidModelError, InvalidParamError, MissingRuntimeError
from ai_runner.tflite_model import TfliteModel

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
INT8 = ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8"]
FLOAT = ["ad01_fp32", "pretrainedResnet", "vww_96_float"]
HOSTILE_NAMES = [
    "*/ #error out\n#include </etc/passwd>\n/*",
    '"); system("true"); ("',
    "back\\slash\\",
    "??/ trigraph ??)",
    "line\r\nbreak // and\\\n#define x",
    "\x00zero\x1b[31m",
    "ümläut 日本 \U0001f600",
    "%s%n" * 200,
]


@pytest.fixture
def relu(graph: Callable[..., bytes], tensor: Any, operator: Any, tmp_path: Path) -> Callable[..., Path]:
    """A .tflite of one RELU on four int8 values, with names."""

    def build(names: tuple[str, str] = ("x", "y"), file: str = "relu.tflite") -> Path:
        spec = tensor((1, 4), scale=0.5, zero_point=2)
        path = tmp_path / file
        path.write_bytes(graph([spec, spec], [operator("RELU", [0], [1])], [0], [1], names))
        return path

    return build


def litert(model: Path, inputs: list[np.ndarray]) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(model),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for i, value in zip(TfliteModel.read(model).inputs, inputs, strict=True):
        interpreter.set_tensor(i, value)
    interpreter.invoke()
    return interpreter


def random_inputs(model: TfliteModel, rng: np.random.Generator) -> list[np.ndarray]:
    inputs = []
    for i in model.inputs:
        tensor = model.tensors[i]
        if tensor.dtype == np.float32:
            inputs.append(rng.standard_normal(tensor.shape, np.float32))
        else:
            inputs.append(rng.integers(-128, 128, tensor.shape, np.int8))
    return inputs


def run(folder: Path, inputs: list[np.ndarray]) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Outputs, and all outputs of every node, of the library in a folder."""
    with AiRunner.open(f"file:{folder}", logger=logging.getLogger("test")) as runner:
        outputs, profile = runner.invoke(inputs, mode=AiRunner.Mode.PER_LAYER_WITH_DATA)
    return outputs, [[data[0] for data in node["data"]] for node in profile["c_nodes"]]


def assert_exact(path: Path, folder: Path, rounds: int) -> None:
    """Every layer and output of the library in `folder` equals LiteRT's reference kernels in every bit."""
    model, rng = TfliteModel.read(path), np.random.default_rng(11)
    for _ in range(rounds):
        inputs = random_inputs(model, rng)
        outputs, layers = run(folder, inputs)
        interpreter = litert(path, inputs)
        for operator, layer in zip(model.operators, layers, strict=True):
            for i, data in zip(operator.outputs, layer, strict=True):
                assert data.tobytes() == interpreter.get_tensor(i).tobytes(), f"operator {operator.index}"
        for i, data in zip(model.outputs, outputs, strict=True):
            assert data.tobytes() == interpreter.get_tensor(i).tobytes()


# ---- exactness ----


@pytest.mark.parametrize("stem", [*INT8, *FLOAT])
def test_every_layer_is_exact(stem: str, shared_models: Path, compiler: str, tmp_path: Path) -> None:
    path = shared_models / f"{stem}.tflite"
    build = generate(path, tmp_path / "out", api="legacy" if stem == "kws_ref_model" else "st-ai")
    assert build.n_nodes == len(TfliteModel.read(path).operators)
    assert_exact(path, build.folder, rounds=3)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("digits", ["digits_int8", "digits_float"])
def test_the_bundled_models_are_exact(
    digits: str, api: str, request: pytest.FixtureRequest, compiler: str, tmp_path: Path
) -> None:
    path = request.getfixturevalue(digits)
    assert_exact(path, generate(path, tmp_path / "out", api=api).folder, rounds=3)


@pytest.mark.parametrize("api", APIS)
def test_outputs_that_no_node_writes(
    graph: Any, tensor: Any, operator: Any, api: str, compiler: str, tmp_path: Path
) -> None:
    """An output that is an input, one that is a constant, one that is listed twice; an input that nobody uses."""
    spec, constant = tensor((1, 4), "float32"), tensor((1, 4), "float32", data=np.arange(4, dtype=np.float32))
    other = tensor((1, 3), "float32")
    raw = graph([spec, spec, constant, other], [operator("RELU", [0], [1])], [0, 3], [0, 1, 2, 1])
    path = tmp_path / "copies.tflite"
    path.write_bytes(raw)
    build = generate(path, tmp_path / "out", api=api)
    x, unused = np.array([[-1, 2, -3, 4]], np.float32), np.zeros((1, 3), np.float32)
    outputs, _ = run(build.folder, [x, unused])
    relu = np.maximum(x, 0)
    for got, wanted in zip(outputs, [x, relu, constant.data, relu], strict=True):
        np.testing.assert_array_equal(got.ravel(), wanted.ravel())


@pytest.mark.parametrize("api", APIS)
def test_no_operators(graph: Any, tensor: Any, api: str, compiler: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.tflite"
    path.write_bytes(graph([tensor((1, 4), scale=1)], [], [0], [0]))
    build = generate(path, tmp_path / "out", api=api)
    assert (build.n_nodes, build.macc) == (0, 0)
    x = np.array([[1, -2, 3, -4]], np.int8)
    with AiRunner.open(f"file:{build.folder}", logger=logging.getLogger("test")) as runner:
        outputs, _ = runner.invoke([x], mode=AiRunner.Mode.IO_ONLY)
    np.testing.assert_array_equal(outputs[0].ravel(), x.ravel())


def test_the_operand_of_an_addition_may_be_a_constant(
    single_operator: Any, tensor: Any, compiler: str, tmp_path: Path
) -> None:
    path = tmp_path / "add.tflite"
    spec = tensor((1, 2, 3), scale=0.5, zero_point=1)
    constant = tensor((1, 2, 3), scale=0.25, zero_point=3, data=np.arange(6, dtype=np.int8).reshape(1, 2, 3))
    path.write_bytes(single_operator("ADD", [spec, constant], spec))
    assert_exact(path, generate(path, tmp_path / "out").folder, rounds=2)


# ---- the sources ----


@pytest.mark.parametrize("api", APIS)
def test_sources_compile_without_a_warning(digits_int8: Path, api: str, compiler: str, tmp_path: Path) -> None:
    build = generate(digits_int8, tmp_path / "out", api=api, name="digits", compile=False)
    assert (build.library, build.observer) == (None, None)
    sources = [str(source) for source in build.sources if source.suffix == ".c"]
    subprocess.run([*compiler.split(), *WARNINGS, "-O2", "-fsyntax-only", *sources], check=True)


def test_the_core_needs_no_interface_and_no_heap(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    build = generate(digits_int8, tmp_path / "out", compile=False)
    core = [build.folder / "network.c", build.folder / "network_data.c", build.folder / "runtime" / "cm_network.c"]
    core += sorted((build.folder / "kernels").glob("*.c"))
    main = tmp_path / "main.c"
    main.write_text(
        '#include "out/network.h"\n'
        "static uint64_t arena[NETWORK_ARENA_BYTES / 8];\n"
        "int main(void)\n{\n"
        "    int8_t image[64] = {0}, digits[10] = {0};\n"
        "    uint8_t *in[] = {(uint8_t *)image}, *out[] = {(uint8_t *)digits};\n"
        "    const cm_memory memory = {(uint8_t *)arena, network_network.weights, in, out};\n"
        "    cm_run(&network_network, &memory, 0, 0);\n"
        "    return digits[0] == digits[1] && digits[1] == digits[2];\n}\n"
    )
    program = tmp_path / "main"
    subprocess.run([*compiler.split(), *WARNINGS, str(main), *map(str, core), "-o", str(program), "-lm"], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0
    text = "".join(path.read_text() for path in core)
    for word in ("malloc", "calloc", "stdio.h", "stdlib.h", "printf"):
        assert word not in text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_stay_text(relu: Any, name: str, api: str, compiler: str, tmp_path: Path) -> None:
    build = generate(relu(names=(name, name)), tmp_path / "out", api=api, compile=False)
    sources = [str(source) for source in build.sources if source.suffix == ".c"]
    trigraphs = ["-Wtrigraphs", "-Wcomment", "-Woverlength-strings"]
    subprocess.run([*compiler.split(), *WARNINGS, *trigraphs, "-fsyntax-only", *sources], check=True)
    for source in build.sources:
        text = source.read_bytes()
        assert b"#error" not in b"\n".join(line.lstrip()[:6] for line in text.splitlines())
        assert text.isascii()


def test_a_hostile_file_name(relu: Any, compiler: str, tmp_path: Path) -> None:
    build = generate(relu(file="a*\\\n#error x.tflite"), tmp_path / "out", compile=False)
    sources = [str(source) for source in build.sources if source.suffix == ".c"]
    subprocess.run([*compiler.split(), *WARNINGS, "-fsyntax-only", *sources], check=True)


def test_names_reach_the_library_whole(relu: Any, compiler: str, tmp_path: Path) -> None:
    name = '"é*/??/\\'
    build = generate(relu(names=(name, "y")), tmp_path / "out")
    with AiRunner.open(f"file:{build.folder}", logger=logging.getLogger("test")) as runner:
        assert runner.get_input_infos()[0]["name"] == name


def test_large_constants_compile_in_time(single_operator: Any, tensor: Any, compiler: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((512, 512)).astype(np.float32)
    inputs = [tensor((1, 512), "float32"), tensor((512, 512), "float32", data=weights), None]
    path = tmp_path / "large.tflite"
    path.write_bytes(single_operator("FULLY_CONNECTED", inputs, tensor((1, 512), "float32")))
    build = generate(path, tmp_path / "out")
    assert build.weights_bytes >= 4 * 512 * 512
    assert (build.folder / "network_data.c").stat().st_size < 4 * build.weights_bytes
    assert_exact(path, build.folder, rounds=1)


def test_the_same_input_gives_the_same_sources(digits_int8: Path, tmp_path: Path) -> None:
    builds = [generate(digits_int8, tmp_path / folder, compile=False) for folder in ("a", "b")]
    for first, second in zip(*(build.sources for build in builds), strict=True):
        assert first.read_bytes() == second.read_bytes()


# ---- the folder and the library ----


def test_what_is_written(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    build = generate(digits_int8, tmp_path / "out", api="legacy", name="digits")
    assert build.library is not None
    assert build.observer is not None
    assert build.library.stem == "libai_digits"
    assert build.observer.stem == "libai_observer"
    written = {path for path in build.folder.rglob("*") if path.is_file()}
    assert written == {*build.sources, build.library, build.observer, build.folder / "c_model.json"}
    manifest = json.loads((build.folder / "c_model.json").read_text())
    assert manifest["model"] == "digits_int8.tflite"
    assert manifest["md5"] == TfliteModel.read(digits_int8).md5
    assert (manifest["api"], manifest["name"], manifest["n_nodes"]) == ("legacy", "digits", 7)
    assert list(tmp_path.iterdir()) == [build.folder]


def test_another_interface_replaces_the_first(relu: Any, compiler: str, tmp_path: Path) -> None:
    generate(relu(), tmp_path / "out", api="legacy", name="first")
    build = generate(relu(), tmp_path / "out", api="st-ai", name="second")
    written = {path for path in build.folder.rglob("*") if path.is_file()}
    assert written == {*build.sources, build.library, build.observer, build.folder / "c_model.json"}


def test_weights_bytes_is_the_size_in_c(digits_int8: Path, compiler: str, tmp_path: Path) -> None:
    build = generate(digits_int8, tmp_path / "out")
    with AiRunner.open(f"file:{build.folder}", logger=logging.getLogger("test")) as runner:
        info = runner.get_info()
    assert (info["weights"], info["activations"]) == (build.weights_bytes, build.arena_bytes)
    assert (info["macc"], info["n_nodes"]) == (build.macc, build.n_nodes)


@pytest.mark.parametrize("api", APIS)
def test_two_libraries_in_one_process(relu: Any, digits_int8: Path, api: str, compiler: str, tmp_path: Path) -> None:
    """Same c-name, other network: neither may see symbols of the other, even when both are global."""
    code = f"""
import ctypes, logging, sys
from ai_runner import AiRunner
import numpy as np
first, second = sys.argv[1:]
for folder in (first, second):
    ctypes.CDLL(folder + "/libai_network{library_suffix()}", mode=ctypes.RTLD_GLOBAL)
runners = [AiRunner.open("file:" + folder, logger=logging.getLogger("t")) for folder in (first, second, first)]
for runner in runners + runners:
    n = int(np.prod(runner.get_input_infos()[0]["shape"]))
    outputs, profile = runner.invoke(runner.generate_rnd_inputs(batch_size=2), mode=AiRunner.Mode.PER_LAYER)
    print(n, outputs[0].size, len(profile["c_nodes"]))
"""
    one = generate(relu(), tmp_path / "one", api=api).folder
    two = generate(digits_int8, tmp_path / "two", api=api).folder
    command = [sys.executable, "-c", code, str(one), str(two)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:6] == ["4 8 1", "64 20 7", "4 8 1"] * 2


# ---- what is refused, with nothing written ----


def test_an_unsupported_operator(graph: Any, tensor: Any, operator: Any, tmp_path: Path) -> None:
    spec = tensor((1, 4), "float32")
    path = tmp_path / "model.tflite"
    path.write_bytes(graph([spec] * 3, [operator("RELU", [0], [1]), operator("COS", [1], [2])], [0], [2]))
    with pytest.raises(InvalidModelError, match=r"model\.tflite: operator 1 \(COS\): the operator is not supported"):
        generate(path, tmp_path / "deep" / "out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.tflite"]


def test_a_hybrid_model(shared_models: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"operator 0 \(CONV_2D\): types FLOAT32, INT8"):
        generate(shared_models / "kws_ref_model_float32.tflite", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_arguments(relu: Any, tmp_path: Path) -> None:
    model = relu()
    out = tmp_path / "out"
    with pytest.raises(InvalidParamError, match="no C identifier"):
        generate(model, out, name="a-b")
    with pytest.raises(InvalidParamError, match="api 'other' is unknown"):
        generate(model, out, api="other")
    with pytest.raises(InvalidParamError, match="cannot read the model"):
        generate(tmp_path / "missing.tflite", out, compile=False)
    with pytest.raises(MissingRuntimeError):
        generate(model, out, cc="no-such-compiler")
    assert not out.exists()


def test_a_failing_compiler_leaves_the_earlier_output(relu: Any, compiler: str, tmp_path: Path) -> None:
    build = generate(relu(), tmp_path / "out")
    before = {path: path.read_bytes() for path in build.folder.rglob("*") if path.is_file()}
    with pytest.raises(HwIOError, match="failed with exit code"):
        generate(relu(), tmp_path / "out", name="other", cflags="--no-such-flag")
    assert {path: path.read_bytes() for path in build.folder.rglob("*") if path.is_file()} == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "relu.tflite"]


def test_too_many_dimensions_for_the_legacy_interface(graph: Any, tensor: Any, tmp_path: Path) -> None:
    path = tmp_path / "seven.tflite"
    path.write_bytes(graph([tensor((1, 1, 2, 1, 2, 1, 2), "float32")], [], [0], [0]))
    with pytest.raises(InvalidModelError, match="more dimensions") as raised:
        generate(path, tmp_path / "out", api="legacy", compile=False)
    assert "st-ai" in raised.value.hint
    generate(path, tmp_path / "out", api="st-ai", compile=False)
