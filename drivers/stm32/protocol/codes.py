"""The numbers of the wire: commands, states, errors and flags, as ST's firmware spells them."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class CommandCode(IntEnum):
    """`reqMsg.cmd`. DISCONNECT exists from 3.2 on, MEMORY_CHECKSUM and SET_FILTER in the v3 family."""

    SYNC = 0
    SYS_INFO = 1
    DISCONNECT = 2
    NETWORK_INFO = 10
    NETWORK_RUN = 11
    NETWORK_REPORT = 12
    MEMORY_READ = 20
    MEMORY_WRITE = 21
    MEMORY_CHECKSUM = 22
    SET_FILTER = 30
    TEST = 100
    TEST_UNSUPPORTED = 200


class AnswerState(IntEnum):
    """`respMsg.state`."""

    IDLE = 0
    WAITING = 1
    PROCESSING = 2
    DONE = 3
    ERROR = 4


class ErrorCode(IntEnum):
    """`ackMsg.error`; firmware may use numbers that are not here. An unknown command is INVALID_PARAM, too."""

    NONE = 0
    INVALID_SIZE = 1
    INVALID_FORMAT = 2
    INVALID_STATE = 3
    INVALID_PARAM = 4
    INVALID_SHAPE = 5
    INVALID_CMD = 6
    INVALID_UNINITIALIZED = 7
    MEM_OVERFLOW = 8
    GENERIC = 10


class Capability(IntFlag):
    """What a firmware can do, with the numbers of the v3 family.

    FIXED_POINT is of the v2 family, where it has RELOC's number and is always set; OBSERVER is called INSPECTOR there.
    """

    OBSERVER = 1
    RELOC = 2
    READ_WRITE = 8
    RANDOM = 16
    FILTERING = 32
    USBC = 64
    SELF_TEST = 128
    FIXED_POINT = 1 << 16


class TensorFlag(IntFlag):
    """`aiTensorDescMsg.flags`, v3. LAST: of its node or of the outputs. NO_DATA: described but not uploaded."""

    INPUT = 0x1
    OUTPUT = 0x2
    INTERNAL = 0x4
    MEMPOOL = 0x8
    LAST = 0x100
    NO_DATA = 0x200
    IN_MEMPOOL = 0x400


class OperatorFlag(IntFlag):
    """`aiOperatorMsg.type >> 24`, v3. No flag at all stands for the whole model."""

    INTERNAL = 1
    LAST = 2
    WITHOUT_TENSOR = 4


class NodeFlag(IntFlag):
    """`nodeMsg.type >> 16`, v2. No flag at all stands for an output; DATA_NO_LAST: more tensors of this node follow."""

    INTERNAL = 1
    INTERNAL_LAST = 2
    DATA_NO_LAST = 4


class RunParam(IntFlag):
    """`reqMsg.param` of NETWORK_RUN, v3."""

    IO_ONLY = 1
    PER_LAYER = 2
    PER_LAYER_WITH_DATA = 4
    PERF = 8
    DEBUG = 0x100
    CONST_VALUE = 0x200
    DIRECT_WRITE = 0x400
    DIRECT_READ = 0x800


class InspectorParam(IntEnum):
    """`reqMsg.param` of NETWORK_RUN, v2."""

    NORMAL = 0
    WITH_DATA = 1
    WITHOUT_DATA = 2


class ShapeFormat(IntEnum):
    """`aiTensorDescMsg.n_dims >> 24`, low nibble: the order in which `dims` are sent."""

    UNDEFINED = 0
    BCWH = 1
    BHWC = 2
    BCHW = 3
    ST_AI = 4
    RAW = 5


class Runtime(IntEnum):
    """The inference engine, lowest byte of `rtid`."""

    STM_AI = 1
    TFLM = 2
    TVM = 3
    ATONN = 4
    GLOW = 5
    STM_AI_RELOC = 6


class RuntimeApi(IntFlag):
    """The API of the engine, second byte of `rtid` from 3.1 on."""

    ST_AI = 1
    LITE = 2
    RELOC = 4


class Tool(IntEnum):
    """The compiler of the firmware, in `rtid`."""

    GCC = 1
    IAR = 2
    MDK_5 = 3
    MDK_6 = 4
    HTC = 5
    GHS = 6


class NotGiven(IntFlag):
    """What a model description leaves out, highest byte of `aiModelInfoMsg.rtid`."""

    ACTIVATIONS_SIZE = 1
    PARAMS_SIZE = 2
    MACC = 4
