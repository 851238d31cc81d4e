"""Names of the operator numbers that ST's runtime reports, in its C APIs and through its firmware.

The numbers are 0x100 + n without, 0x180 + n with state, as in the public runtime headers 2.2 and 4.0. Names are
cosmetic, the number is what identifies.
"""

from __future__ import annotations

_STATELESS = {
    0: "Base",
    1: "Add",
    2: "BN",
    3: "Conv2D",
    4: "Dense",
    6: "LRN",
    7: "NL",
    8: "Norm",
    9: "OptimizedConv2D",
    10: "Transpose",
    11: "Pool",
    12: "Softmax",
    13: "Split",
    14: "TimeDelay",
    15: "TimeDistributed",
    16: "Concat",
    17: "Gemm",
    18: "Upsample",
    19: "Eltwise",
    20: "EltwiseInteger",
    21: "InstanceNormalization",
    22: "Pad",
    23: "Slice",
    24: "Tile",
    25: "Reduce",
    26: "RNN",
    27: "Resize",
    28: "Gather",
    29: "Pack",
    30: "Unpack",
    31: "ArgMinMax",
    33: "Cast",
    34: "IForest",
    35: "SVMRegressor",
    36: "ArrayFeatureExtractor",
    37: "SVC",
    38: "ZipMap",
    39: "Where",
    40: "LinearClassifier",
    41: "TreeEnsembleClassifier",
    42: "TopK",
    43: "ReduceLogSumExp",
    44: "ReduceL1",
    45: "LiteGraph",
    46: "TreeEnsembleRegressor",
    48: "Conv2DDqnn",
    49: "PoolDqnn",
    50: "DenseDqnn",
    51: "Reverse",
    52: "TfliteWrapper",
    67: "GatherND",
    68: "MatMul",
    69: "ScatterND",
    70: "GatherElements",
}
_STATEFUL = {0: "Stateful", 1: "LSTM", 2: "Custom", 3: "GRU"}
_NUMBER = 0x7FFF


def node_type(reported: int) -> tuple[int, str]:
    """(number, name) of the type field of a node; ``Node`` when the number has no name here."""
    number = reported & _NUMBER
    table, first = (_STATEFUL, 0x180) if number >= 0x180 else (_STATELESS, 0x100)
    return number, table.get(number - first, "Node")
