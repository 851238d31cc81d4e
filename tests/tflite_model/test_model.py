from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_runner.errors import InvalidModelError, InvalidParamError
from ai_runner.tflite_model import TfliteModel

MODELS = Path(__file__).parents[3] / "shared" / "models"
CUT_MODELS = ["kws_ref_model", "vww_96_int8", "ad01_int8", "pretrainedResnet_quant"]

schema: Any = pytest.importorskip(
    "ai_edge_litert.schema_py_generated", reason="LiteRT writes the models of these tests"
)


def shared_model(stem: str) -> Path:
    path = MODELS / f"{stem}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in ../shared/models")
    return path


def pack(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(name: str, shape: list[int], kind: int, buffer: int = 0) -> Any:
    t = schema.TensorT()
    t.name, t.shape, t.type, t.buffer = name, shape, kind, buffer
    return t


def small_model() -> Any:
    """x[1,4] int8 -> FULLY_CONNECTED(w[2,4], per channel) -> y[1,2] -> RELU -> z[1,2]."""
    model = schema.ModelT()
    model.version, model.description = 3, "small"
    constant = schema.BufferT()
    constant.data = np.arange(8, dtype=np.uint8)
    model.buffers = [schema.BufferT(), constant]
    graph = schema.SubGraphT()
    types = schema.TensorType
    graph.tensors = [
        tensor("x", [1, 4], types.INT8),
        tensor("w", [2, 4], types.INT8, 1),
        tensor("y", [1, 2], types.INT8),
        tensor("z", [1, 2], types.INT8),
    ]
    for t, scale, zero_point in zip(
        graph.tensors, ([0.5], [0.25, 0.125], [0.5], [0.5]), ([3], [0, 0], [1], [1]), strict=True
    ):
        q = t.quantization = schema.QuantizationParametersT()
        q.scale, q.zeroPoint = scale, zero_point
    graph.inputs, graph.outputs = [0], [3]
    dense, relu = schema.OperatorT(), schema.OperatorT()
    dense.opcodeIndex, dense.inputs, dense.outputs = 0, [0, 1, -1], [2]
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    dense.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    dense.builtinOptions.keepNumDims = True
    relu.opcodeIndex, relu.inputs, relu.outputs = 1, [2], [3]
    graph.operators = [dense, relu]
    model.subgraphs = [graph]
    model.operatorCodes = [schema.OperatorCodeT(), schema.OperatorCodeT()]
    for code, number in zip(model.operatorCodes, (9, 19), strict=True):
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 4
    return model


def test_reads_what_was_written() -> None:
    model = TfliteModel.parse(pack(small_model()), "small.tflite")
    assert (model.path, model.description, model.n_subgraphs) == ("small.tflite", "small", 1)
    assert (model.inputs, model.outputs) == ((0,), (3,))
    assert [(t.name, t.shape, t.type_name) for t in model.tensors[:2]] == [("x", (1, 4), "INT8"), ("w", (2, 4), "INT8")]
    weights = model.tensors[1]
    assert weights.quantization is not None
    assert weights.quantization.scale == (0.25, 0.125)
    assert weights.data is not None
    assert weights.data.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert not weights.data.flags.writeable
    assert model.tensors[0].data is None
    dense, relu = model.operators
    assert (dense.name, dense.version, dense.inputs, dense.outputs) == ("FULLY_CONNECTED", 4, (0, 1, -1), (2,))
    assert dense.options["fused_activation_function"] == "RELU6"
    assert dense.options["keep_num_dims"] is True
    assert dense.options["weights_format"] == 0
    assert (relu.name, dict(relu.options)) == ("RELU", {})


def test_absent_options_read_as_defaults() -> None:
    source = small_model()
    source.operatorCodes[1].builtinCode = schema.BuiltinOperator.CONV_2D
    source.operatorCodes[1].deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    options = TfliteModel.parse(pack(source)).operators[1].options
    assert (options["padding"], options["stride_w"], options["dilation_w_factor"]) == ("SAME", 0, 1)


def test_options_of_another_operator_are_not_read() -> None:
    source = small_model()
    source.subgraphs[0].operators[0].builtinOptionsType = schema.BuiltinOptions.AddOptions
    source.subgraphs[0].operators[0].builtinOptions = schema.AddOptionsT()
    source.subgraphs[0].operators[0].builtinOptions.fusedActivationFunction = 1
    assert TfliteModel.parse(pack(source)).operators[0].options["fused_activation_function"] == "NONE"


def test_unknown_and_custom_operators_have_names() -> None:
    source = small_model()
    source.operatorCodes[0].builtinCode = 9999
    source.operatorCodes[1].builtinCode = source.operatorCodes[1].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    source.operatorCodes[1].customCode = "My Op"
    assert [o.name for o in TfliteModel.parse(pack(source)).operators] == ["UNKNOWN_9999", "CUSTOM:My Op"]


def damage_constant(model: Any) -> None:
    model.buffers[1].data = np.arange(7, dtype=np.uint8)


def damage_tensor_number(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs = [0, 4]


def damage_graph_output(model: Any) -> None:
    model.subgraphs[0].outputs = [-1]


def damage_operator_code(model: Any) -> None:
    model.subgraphs[0].operators[1].opcodeIndex = 7


def damage_buffer_number(model: Any) -> None:
    model.subgraphs[0].tensors[1].buffer = 2


def damage_scales(model: Any) -> None:
    model.subgraphs[0].tensors[1].quantization.scale = [1.0, 2.0, 3.0]


def damage_version(model: Any) -> None:
    model.version = 2


def damage_graphs(model: Any) -> None:
    model.subgraphs = []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_constant, r"tensor 1 of shape \[2, 4\] and type int8 has 7 bytes"),
        (damage_tensor_number, "the inputs of operator 0 name tensor 4 of 4"),
        (damage_graph_output, "the graph's outputs name tensor -1 of 4"),
        (damage_operator_code, "operator 1 has code 7 of 2"),
        (damage_buffer_number, "tensor 1 has buffer 2 of 2"),
        (damage_scales, "tensor 1 has 3 scales and 2 zero points"),
        (damage_version, "schema version 2, expected 3"),
        (damage_graphs, "it holds no graph"),
    ],
)
def test_inconsistent_files_are_refused(damage: Any, message: str) -> None:
    model = small_model()
    damage(model)
    with pytest.raises(InvalidModelError, match=message):
        TfliteModel.parse(pack(model), "m.tflite")


def test_every_truncation_is_refused_or_read() -> None:
    raw = pack(small_model())
    refused = 0
    for size in range(len(raw)):
        try:
            TfliteModel.parse(raw[:size], "cut.tflite")
        except InvalidModelError:
            refused += 1
    assert refused > 0.95 * len(raw)  # the last bytes may be those of a field that nobody reads


def test_shared_tables_cannot_make_a_short_file_expensive() -> None:
    """A vector of tensors that are all one tensor with a long name decodes to far more than the file holds."""
    source = small_model()
    source.subgraphs[0].tensors[3].name = "n" * 100_000
    raw = bytearray(pack(source))
    fields = model_positions(bytes(raw))
    n = 20_000
    raw += bytes(-len(raw) % 4)
    # Offsets lead forward only, so a copy of the tensor table goes behind the new vector.
    vector = len(raw)
    struct.pack_into("<I", raw, fields["tensors"], vector - fields["tensors"])
    table = vector + 4 + 4 * n + 4 * (n % 2)
    raw += struct.pack("<I", n) + b"".join(struct.pack("<I", table - (vector + 4 + 4 * i)) for i in range(n))
    raw += bytes(table - len(raw))
    # vtable of 12 bytes behind the table of 8: the name (slot 3) at offset 4
    raw += struct.pack("<iI", -8, 16) + struct.pack("<HHHHHH", 12, 8, 0, 0, 0, 4) + struct.pack("<I", 500_000)
    raw += b"n" * 500_000
    with pytest.raises(InvalidModelError, match="overlap"):
        TfliteModel.parse(bytes(raw))


def model_positions(raw: bytes) -> dict[str, int]:
    from ai_runner.tflite_model.flatbuffer import FlatBuffer

    graph = FlatBuffer(raw, "m").root().tables(2)[0]
    position = graph.field_position(0)
    assert position is not None
    return {"tensors": position}


def parses_or_refuses(raw: bytes) -> None:
    try:
        model = TfliteModel.parse(raw, "fuzz")
    except InvalidModelError:
        return
    for operator in model.operators:
        cut = model.single_operator(operator.index)
        assert cut is None or len(TfliteModel.parse(cut).operators) == 1


@given(st.binary(max_size=400))
def test_random_bytes(raw: bytes) -> None:
    parses_or_refuses(raw[:4] + b"TFL3" + raw[4:])


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_mutated_bytes(data: st.DataObject) -> None:
    raw = bytearray(pack(small_model()))
    places = st.integers(0, len(raw) // 4 - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        value = data.draw(st.integers(0, 60) | st.integers(-60, -1) | st.integers(-(2**31), 2**31 - 1))
        struct.pack_into("<i", raw, 4 * place, value)
    end = data.draw(st.just(len(raw)) | st.integers(8, len(raw)))
    raw[4:8] = b"TFL3"
    parses_or_refuses(bytes(raw[:end]))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(InvalidParamError, match="cannot read the model"):
        TfliteModel.read(tmp_path / "missing.tflite")
    with pytest.raises(InvalidParamError, match="cannot read the model"):
        TfliteModel.read(tmp_path)
    with pytest.raises(InvalidParamError):
        TfliteModel.read("a\0b")
    text = tmp_path / "text.tflite"
    text.write_text("hello, world")
    with pytest.raises(InvalidModelError, match="not a TensorFlow Lite model"):
        TfliteModel.read(text)


def test_an_operator_with_state_or_subgraphs_is_not_cut() -> None:
    source = small_model()
    source.subgraphs[0].tensors[0].isVariable = True
    model = TfliteModel.parse(pack(source))
    assert model.single_operator(0) is None
    assert model.single_operator(1) is not None
    source.operatorCodes[1].builtinCode = schema.BuiltinOperator.WHILE
    assert TfliteModel.parse(pack(source)).single_operator(1) is None
    source = small_model()
    source.subgraphs[0].operators[0].outputs = [-1]
    assert TfliteModel.parse(pack(source)).single_operator(0) is None


def run(model: str | bytes, values: dict[int, np.ndarray[Any, Any]]) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
    interpreter = Interpreter(
        **source,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    for index, value in values.items():
        interpreter.set_tensor(index, value)
    interpreter.invoke()
    return interpreter


@pytest.mark.parametrize("stem", CUT_MODELS)
def test_cut_operators_give_the_tensors_of_the_whole_model(stem: str) -> None:
    path = shared_model(stem)
    model = TfliteModel.read(path)
    rng = np.random.default_rng(7)
    whole = run(str(path), {i: rng.integers(-128, 128, model.tensors[i].shape, np.int8) for i in model.inputs})
    for operator in model.operators:
        cut = model.single_operator(operator.index)
        assert cut is not None
        single = TfliteModel.parse(cut)
        alone = run(cut, {i: whole.get_tensor(i) for i in single.inputs})
        for i in single.outputs:
            np.testing.assert_array_equal(alone.get_tensor(i), whole.get_tensor(i))


@pytest.mark.parametrize("stem", [*CUT_MODELS, "ad01_fp32", "kws_ref_model_float32", "vww_96_float"])
def test_agrees_with_the_interpreter(stem: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = shared_model(stem)
    model = TfliteModel.read(path)
    interpreter = Interpreter(str(path))
    details = interpreter.get_tensor_details()[: len(model.tensors)]
    for mine, theirs in zip(model.tensors, details, strict=True):
        assert (mine.name, mine.shape, mine.dtype) == (
            theirs["name"],
            tuple(theirs["shape"]),
            np.dtype(theirs["dtype"]),
        )
        if mine.quantization is not None:
            np.testing.assert_array_equal(mine.quantization.scale, theirs["quantization_parameters"]["scales"])
            zero_points = theirs["quantization_parameters"]["zero_points"]  # LiteRT 2.1 gives one for all channels
            np.testing.assert_array_equal(
                mine.quantization.zero_point, np.broadcast_to(zero_points, len(mine.quantization.zero_point))
            )
    assert [o.name for o in model.operators] == [
        o["op_name"] for o in interpreter._get_ops_details() if o["op_name"] != "DELEGATE"
    ]
    assert model.inputs == tuple(d["index"] for d in interpreter.get_input_details())
    assert model.outputs == tuple(d["index"] for d in interpreter.get_output_details())
