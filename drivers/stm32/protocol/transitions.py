"""The conversation as two tables: what the host may say, and what the device may answer, in which state.

Everything that moves a connection from one state to another is here; what is not in a table is refused: a command with
InvalidParamError, an answer with ProtocolError. A log line may come in any state and changes none.
"""

from __future__ import annotations

from enum import Enum

from ai_runner.drivers.stm32.protocol import commands


class State(Enum):
    """Whose turn it is, and for what."""

    UNSYNCED = "nothing is known of the device; say Sync"
    SYNCING = "waiting for the SyncReply"
    READY = "the device waits for a command"
    SYSTEM_INFO_AWAITED = "waiting for the SystemInfo"
    MODEL_AWAITED = "waiting for a ModelDescription"
    ACK_AWAITED = "waiting for the one ack of a command"
    RUN_REQUESTED = "waiting for the device to take a run"
    INPUT_WANTED = "the device waits for an input tensor"
    INPUT_SENT = "waiting for the ack of an input tensor"
    RUNNING = "waiting for a node or for the end of the run"
    NODE_OPEN = "waiting for the tensors of a node"
    OUTPUTS = "waiting for outputs"
    READING = "waiting for memory"
    WRITE_REQUESTED = "waiting for the device to take a write"
    WRITING = "waiting for the ack of a chunk"
    TESTING = "in a self-test"
    FAILED = "the peer broke the protocol; nothing goes on"

    __hash__ = object.__hash__  # that of Enum is written in Python, and tables are looked at for every message


class Heard(Enum):
    """What a message of the device means, whatever the dialect."""

    SYNC = "sync"
    SYSTEM_INFO = "system information"
    MODEL = "a model description"
    ACK_WAITING = "an ack that waits for data"
    ACK_PROCESSING = "an ack with more to come"
    ACK_DONE = "a final ack"
    ACK_ERROR = "an error ack"
    LOG = "a log line"
    LAST_LOG = "a log line that ends a command"
    NODE = "a node with tensors to follow"
    WHOLE_NODE = "a node without tensors"
    REPORT = "the report of a run"
    LAST_REPORT = "a report that ends a command"
    TENSOR = "a tensor"
    LAST_TENSOR = "the last tensor of a node"
    FINAL_TENSOR = "a tensor that ends a command"
    DATA = "a piece of memory"
    LAST_DATA = "the last piece of memory"

    __hash__ = object.__hash__


SAYING: dict[State, dict[type[commands.Command], State]] = {
    State.UNSYNCED: {commands.Sync: State.SYNCING},
    State.SYNCING: {},
    State.READY: {
        commands.Sync: State.SYNCING,
        commands.GetSystemInfo: State.SYSTEM_INFO_AWAITED,
        commands.GetModel: State.MODEL_AWAITED,
        commands.Run: State.RUN_REQUESTED,
        commands.ReadMemory: State.READING,
        commands.WriteMemory: State.WRITE_REQUESTED,
        commands.ChecksumMemory: State.ACK_AWAITED,
        commands.SelfTest: State.TESTING,
        commands.Request: State.ACK_AWAITED,
        commands.Disconnect: State.UNSYNCED,
    },
    State.SYSTEM_INFO_AWAITED: {},
    State.MODEL_AWAITED: {},
    State.ACK_AWAITED: {},
    State.RUN_REQUESTED: {},
    State.INPUT_WANTED: {commands.SendTensor: State.INPUT_SENT},
    State.INPUT_SENT: {},
    State.RUNNING: {},
    State.NODE_OPEN: {},
    State.OUTPUTS: {},
    State.READING: {},
    State.WRITE_REQUESTED: {},
    State.WRITING: {},
    State.TESTING: {
        commands.SendTensor: State.TESTING,
        commands.Acknowledge: State.TESTING,
        commands.Sync: State.SYNCING,
    },
    State.FAILED: {},
}

HEARING: dict[State, dict[Heard, State]] = {
    State.UNSYNCED: {},
    State.SYNCING: {Heard.SYNC: State.READY},
    State.READY: {},
    State.SYSTEM_INFO_AWAITED: {Heard.SYSTEM_INFO: State.READY, Heard.ACK_ERROR: State.READY},
    State.MODEL_AWAITED: {Heard.MODEL: State.READY, Heard.ACK_ERROR: State.READY},
    State.ACK_AWAITED: {Heard.ACK_DONE: State.READY, Heard.ACK_ERROR: State.READY},
    State.RUN_REQUESTED: {Heard.ACK_WAITING: State.INPUT_WANTED, Heard.ACK_ERROR: State.READY},
    State.INPUT_WANTED: {},
    State.INPUT_SENT: {
        Heard.ACK_WAITING: State.INPUT_WANTED,
        Heard.ACK_PROCESSING: State.RUNNING,
        Heard.ACK_ERROR: State.READY,
    },
    State.RUNNING: {
        Heard.NODE: State.NODE_OPEN,
        Heard.WHOLE_NODE: State.RUNNING,
        Heard.REPORT: State.OUTPUTS,
        Heard.ACK_ERROR: State.READY,
    },
    State.NODE_OPEN: {Heard.TENSOR: State.NODE_OPEN, Heard.LAST_TENSOR: State.RUNNING, Heard.ACK_ERROR: State.READY},
    State.OUTPUTS: {
        Heard.TENSOR: State.OUTPUTS,
        Heard.LAST_TENSOR: State.OUTPUTS,
        Heard.FINAL_TENSOR: State.READY,
        Heard.ACK_ERROR: State.READY,
    },
    State.READING: {
        Heard.ACK_PROCESSING: State.READING,
        Heard.DATA: State.READING,
        Heard.LAST_DATA: State.READY,
        Heard.ACK_DONE: State.READY,
        Heard.ACK_ERROR: State.READY,
    },
    State.WRITE_REQUESTED: {
        Heard.ACK_WAITING: State.WRITING,
        Heard.ACK_DONE: State.READY,
        Heard.ACK_ERROR: State.READY,
    },
    State.WRITING: {
        Heard.ACK_WAITING: State.WRITING,
        Heard.ACK_DONE: State.READY,
        Heard.ACK_ERROR: State.READY,
    },
    # What a test answers is the test's own: only the messages that end one are told apart.
    State.TESTING: {
        **dict.fromkeys((Heard.ACK_WAITING, Heard.ACK_PROCESSING), State.TESTING),
        **dict.fromkeys((Heard.NODE, Heard.WHOLE_NODE, Heard.REPORT, Heard.DATA, Heard.LAST_DATA), State.TESTING),
        **dict.fromkeys((Heard.TENSOR, Heard.LAST_TENSOR, Heard.FINAL_TENSOR), State.TESTING),
        **dict.fromkeys((Heard.ACK_DONE, Heard.ACK_ERROR, Heard.LAST_REPORT, Heard.LAST_LOG), State.READY),
    },
    State.FAILED: {},
}
