"""The serial protocol of ST's aiValidation firmware: bytes to events, commands to bytes.

Nothing here reads, writes or waits, or knows what time it is.

Six dialects (`DIALECTS`) stand behind one set of commands and one set of events. A driver finds alignment and width of
the packet header with what `probing` has, then talks through a `Connection`::

    connection = Connection(header_bytes)

    def ask(command):                                    # one command, its events
        wire.write(connection.send(command))
        while connection.busy:
            event = connection.next_event()
            pending = connection.data_to_send()          # acks, and the next packet of a long message
            if pending:
                wire.write(pending)
            if event is NEED_DATA:
                connection.receive_data(wire.read(...))
            else:
                yield event

    for event in ask(Sync()): ...                        # SyncReply; from here on connection.dialect is known
    for event in ask(GetSystemInfo()): ...               # SystemInfo; packets may be large from here on
    for event in ask(GetModel(0)): ...                   # ModelDescription; Refused past the last model
    for event in ask(Run("network", per_layer=True)):
        if isinstance(event, InputWanted):
            desc = model.inputs[event.index]
            wire.write(connection.send(SendTensor(data[event.index], desc)))

Conversation (`State`, tables in `transitions`). READY is the state between commands::

    Sync            SyncReply
    GetSystemInfo   SystemInfo
    GetModel        ModelDescription
    Run             InputWanted 0..n-1, each answered with SendTensor; InputsTaken; where nodes were asked for, a
                    NodeReport and the Tensors of each; RunReport; the outputs as Tensors. v2 tells the time of a
                    run in its outputs or in a report: here it is a RunReport before the outputs either way
    ReadMemory      MemoryData ...                       v3
    WriteMemory     Acknowledged                         v3; chunks and their checksums are handled here
    ChecksumMemory  Acknowledged                         v3
    SelfTest        the test's own: Acknowledged, LogMessage, RunReport, Tensor, MemoryData. Over with a final ack or
                    error, an operator (v3) or a log line (v2) in state DONE; a test that answers with less, or nothing,
                    is over when the driver thinks so: say Sync. SendTensor and Acknowledge are possible meanwhile
    Request         Acknowledged: any other number
    Disconnect      nothing; v3.2. Sync is next

Instead of any of these answers, Refused ends a command with an error of the device, and the connection stays usable.
(A firmware that refuses a range of memory may go on with the command all the same; that is a ProtocolError then.) A
LogMessage may come at any time. All acks are sent by the connection, except those that a self-test asks for.

What a device may send is checked here: packet headers, request number, order, states, sizes of data, checksums, and how
much of it a host can be made to hold (`Limits`). A violation is a ProtocolError from `next_event`, and the connection
is FAILED for good: align the line again and make a new one (`reqid=` of the old). A timeout, an interrupt or anything
else that leaves a command half done wants the same: only READY and UNSYNCED can be left without damage. Not checked
here is what takes the model to know: number and size of outputs.

On leaving, a device in large packets has to be brought back to small ones: Disconnect where there is one, else Sync.
"""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol.commands import (
    Acknowledge,
    ChecksumMemory,
    Command,
    Disconnect,
    GetModel,
    GetSystemInfo,
    ReadMemory,
    Request,
    Run,
    SelfTest,
    SendTensor,
    Sync,
    WriteMemory,
)
from ai_runner.drivers.stm32.protocol.connection import NEED_DATA, Connection, Limits
from ai_runner.drivers.stm32.protocol.dialect import DIALECTS, Dialect
from ai_runner.drivers.stm32.protocol.errors import ProtocolError, UnsupportedDialectError
from ai_runner.drivers.stm32.protocol.events import (
    Acknowledged,
    Elements,
    Event,
    InputsTaken,
    InputWanted,
    LogMessage,
    MemoryData,
    ModelDescription,
    NodeReport,
    Refused,
    RunReport,
    RuntimeId,
    StaleAnswer,
    SyncReply,
    SystemInfo,
    Tensor,
    TensorDesc,
)
from ai_runner.drivers.stm32.protocol.packets import SYNC_BYTE
from ai_runner.drivers.stm32.protocol.transitions import State

__all__ = [
    "DIALECTS",
    "NEED_DATA",
    "SYNC_BYTE",
    "Acknowledge",
    "Acknowledged",
    "ChecksumMemory",
    "Command",
    "Connection",
    "Dialect",
    "Disconnect",
    "Elements",
    "Event",
    "GetModel",
    "GetSystemInfo",
    "InputWanted",
    "InputsTaken",
    "Limits",
    "LogMessage",
    "MemoryData",
    "ModelDescription",
    "NodeReport",
    "ProtocolError",
    "ReadMemory",
    "Refused",
    "Request",
    "Run",
    "RunReport",
    "RuntimeId",
    "SelfTest",
    "SendTensor",
    "StaleAnswer",
    "State",
    "Sync",
    "SyncReply",
    "SystemInfo",
    "Tensor",
    "TensorDesc",
    "UnsupportedDialectError",
    "WriteMemory",
]
