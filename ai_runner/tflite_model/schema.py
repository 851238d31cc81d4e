"""Facts of the TensorFlow Lite schema (version 3, file identifier TFL3) that the reader needs.

Source: tensorflow/compiler/mlir/lite/schema/schema.fbs. Slots of a table are the positions of its fields in the schema.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FILE_IDENTIFIER = b"TFL3"
VERSION = 3

TENSOR_TYPES: tuple[tuple[str, str | None], ...] = (
    ("FLOAT32", "<f4"),
    ("FLOAT16", "<f2"),
    ("INT32", "<i4"),
    ("UINT8", "|u1"),
    ("INT64", "<i8"),
    ("STRING", None),
    ("BOOL", "|b1"),
    ("INT16", "<i2"),
    ("COMPLEX64", "<c8"),
    ("INT8", "|i1"),
    ("FLOAT64", "<f8"),
    ("COMPLEX128", "<c16"),
    ("UINT64", "<u8"),
    ("RESOURCE", None),
    ("VARIANT", None),
    ("UINT32", "<u4"),
    ("UINT16", "<u2"),
    ("INT4", None),
    ("BFLOAT16", None),
    ("INT2", None),
    ("UINT4", None),
    ("FLOAT8_E4M3FN", None),
    ("FLOAT8_E5M2", None),
)

_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH
SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK
LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL
FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL
REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND
HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE
STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
OPERATORS: tuple[str, ...] = tuple(_OPERATORS.split())
"""Names of BuiltinOperator, by number."""

PADDINGS = ("SAME", "VALID")
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")

_DEPENDENT = """
CALL CALL_ONCE IF WHILE STABLEHLO_WHILE STABLEHLO_CASE STABLEHLO_REDUCE STABLEHLO_REDUCE_WINDOW
STABLEHLO_SCATTER STABLEHLO_SORT STABLEHLO_COMPOSITE STABLEHLO_CUSTOM_CALL VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE DELEGATE
"""
DEPENDENT_OPERATORS = frozenset(_DEPENDENT.split())
"""Operators that run another sub-graph or share a resource with other operators."""


@dataclass(frozen=True)
class Field:
    """A field of an options table.

    Attributes:
        kind: its type, a name of flatbuffers.number_types without "Flags"; with `is_vector` that of the items.
        default: what an absent field means.
        names: for an enumeration, what its numbers are called.
    """

    kind: str
    default: int | float | bool = 0
    names: tuple[str, ...] = ()
    is_vector: bool = False


INT = Field("Int32")
ONE = Field("Int32", 1)
INTS = Field("Int32", is_vector=True)
BOOL = Field("Bool", False)
TRUE = Field("Bool", True)
FLOAT = Field("Float32", 0.0)
PADDING = Field("Int8", names=PADDINGS)
ACTIVATION = Field("Int8", names=ACTIVATIONS)
TENSOR_TYPE = Field("Int8", names=tuple(name for name, _ in TENSOR_TYPES))
BYTE = Field("Int8")


class Options:
    """An options table: its number in the union BuiltinOptions and its fields in the order of their slots."""

    def __init__(self, number: int, **fields: Field) -> None:
        self.number = number
        self.fields = fields


_POOL = Options(
    5,
    padding=PADDING,
    stride_w=INT,
    stride_h=INT,
    filter_width=INT,
    filter_height=INT,
    fused_activation_function=ACTIVATION,
)
_REDUCER = Options(27, keep_dims=BOOL)

OPTIONS: dict[str, Options] = {
    "CONV_2D": Options(
        1,
        padding=PADDING,
        stride_w=INT,
        stride_h=INT,
        fused_activation_function=ACTIVATION,
        dilation_w_factor=ONE,
        dilation_h_factor=ONE,
        quantized_bias_type=TENSOR_TYPE,
    ),
    "DEPTHWISE_CONV_2D": Options(
        2,
        padding=PADDING,
        stride_w=INT,
        stride_h=INT,
        depth_multiplier=INT,
        fused_activation_function=ACTIVATION,
        dilation_w_factor=ONE,
        dilation_h_factor=ONE,
    ),
    "TRANSPOSE_CONV": Options(
        49,
        padding=PADDING,
        stride_w=INT,
        stride_h=INT,
        fused_activation_function=ACTIVATION,
        quantized_bias_type=TENSOR_TYPE,
    ),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "FULLY_CONNECTED": Options(
        8,
        fused_activation_function=ACTIVATION,
        weights_format=BYTE,
        keep_num_dims=BOOL,
        asymmetric_quantize_inputs=BOOL,
        quantized_bias_type=TENSOR_TYPE,
    ),
    "SVDF": Options(6, rank=INT, fused_activation_function=ACTIVATION, asymmetric_quantize_inputs=BOOL),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Options(
        71,
        fused_activation_function=ACTIVATION,
        cell_clip=FLOAT,
        proj_clip=FLOAT,
        time_major=BOOL,
        asymmetric_quantize_inputs=BOOL,
        diagonal_recurrent_tensors=BOOL,
    ),
    "SOFTMAX": Options(9, beta=FLOAT),
    "CONCATENATION": Options(10, axis=INT, fused_activation_function=ACTIVATION),
    "ADD": Options(11, fused_activation_function=ACTIVATION, pot_scale_int16=TRUE),
    "SUB": Options(28, fused_activation_function=ACTIVATION, pot_scale_int16=TRUE),
    "MUL": Options(21, fused_activation_function=ACTIVATION),
    "DIV": Options(29, fused_activation_function=ACTIVATION),
    "L2_NORMALIZATION": Options(12, fused_activation_function=ACTIVATION),
    "RESHAPE": Options(17, new_shape=INTS),
    "SQUEEZE": Options(30, squeeze_dims=INTS),
    "STRIDED_SLICE": Options(
        32,
        begin_mask=INT,
        end_mask=INT,
        ellipsis_mask=INT,
        new_axis_mask=INT,
        shrink_axis_mask=INT,
        offset=BOOL,
    ),
    "RESIZE_BILINEAR": Options(
        15, new_height=INT, new_width=INT, align_corners=BOOL, half_pixel_centers=BOOL
    ),  # the first two are deprecated, their slots remain
    "RESIZE_NEAREST_NEIGHBOR": Options(74, align_corners=BOOL, half_pixel_centers=BOOL),
    "LEAKY_RELU": Options(75, alpha=FLOAT),
    "MIRROR_PAD": Options(77, mode=Field("Int8", names=("REFLECT", "SYMMETRIC"))),
    "SPACE_TO_DEPTH": Options(19, block_size=INT),
    "DEPTH_TO_SPACE": Options(94, block_size=INT),
    "GATHER": Options(23, axis=INT, batch_dims=INT),
    "SPLIT": Options(35, num_splits=INT),
    "SPLIT_V": Options(79, num_splits=INT),
    "PACK": Options(59, values_count=INT, axis=INT),
    "UNPACK": Options(64, num=INT, axis=INT),
    "CAST": Options(37, in_data_type=TENSOR_TYPE, out_data_type=TENSOR_TYPE),
    "SHAPE": Options(55, out_type=TENSOR_TYPE),
    "ARG_MAX": Options(40, output_type=TENSOR_TYPE),
    "ARG_MIN": Options(57, output_type=TENSOR_TYPE),
    "ONE_HOT": Options(61, axis=INT),
    "BATCH_MATMUL": Options(101, adj_x=BOOL, adj_y=BOOL, asymmetric_quantize_inputs=BOOL),
    "CUMSUM": Options(102, exclusive=BOOL, reverse=BOOL),
    "GELU": Options(116, approximate=BOOL),
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_PROD": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "REDUCE_ANY": _REDUCER,
    "REDUCE_ALL": _REDUCER,
}
"""Options of the operators that have any worth reading; others read as an empty mapping."""


def tensor_type(number: int) -> tuple[str, np.dtype[np.generic] | None]:
    """Name of a TensorType and its numpy dtype, None where numpy has none."""
    if not 0 <= number < len(TENSOR_TYPES):
        return f"UNKNOWN_{number}", None
    name, dtype = TENSOR_TYPES[number]
    return name, None if dtype is None else np.dtype(dtype)


def operator_name(code: int, custom_code: str) -> str:
    """Name of a BuiltinOperator; `CUSTOM:<code>` for custom ones, `UNKNOWN_<n>` for numbers beyond the schema."""
    if not 0 <= code < len(OPERATORS):
        return f"UNKNOWN_{code}"
    return f"CUSTOM:{custom_code}" if OPERATORS[code] == "CUSTOM" else OPERATORS[code]
