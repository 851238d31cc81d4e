"""From a descriptor to a board that is synchronised: ports, baud rates, alignment, the first SYNC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.drivers.stm32.alignment import AlignedPort, Aligner
from ai_runner.drivers.stm32.diagnosis import explain, no_board, no_port
from ai_runner.drivers.stm32.evidence import Attempt, PortEvidence
from ai_runner.drivers.stm32.options import LinkOptions
from ai_runner.drivers.stm32.protocol import (
    NEED_DATA,
    Connection,
    ProtocolError,
    State,
    Sync,
    SyncReply,
    UnsupportedDialectError,
)
from ai_runner.errors import HwIOError, InvalidParamError, LinkTimeoutError
from ai_runner.transport import Transport
from ai_runner.transport.opening import open_transport
from ai_runner.transport.port_list import holders, list_serial_ports
from ai_runner.transport.serial_port import PortBusyError
from ai_runner.transport.st_usb import candidates, kind_of

Wrap = Callable[[Transport], Transport]

_PATIENCE = 0.8  # s that a busy port is tried again: services of the system look into a port that has just come
_SYNC_WAIT = 1.0  # s
_READ_SIZE = 4096


class Found(NamedTuple):
    """A board that has been found.

    Attributes:
        transport: open, after `wrap`.
        connection: in state READY, its dialect known.
        address: of the port, as it may be opened again.
    """

    transport: Transport
    connection: Connection
    address: str


def establish(descriptor: Descriptor, keywords: Mapping[str, Any], deadline: Deadline) -> Found:
    """Finds the board that `descriptor` means.

    Args:
        descriptor: ``serial:`` or ``socket:``; without an address, ports of ST are tried one after the other.
        keywords: `baudrate` (Bd), `timeout` (s), `transport`: an open line to use instead, which stays the caller's;
            `wrap`: what each line goes through before it is used.
        deadline: for all of it, besides the timeout.

    Raises:
        InvalidParamError: an option or an address that is not possible.
        LinkTimeoutError: nothing that can be talked to has answered; `evidence` has a `PortEvidence` for every port.
        HwIOError: no port could be opened; with the same evidence.
    """
    options = LinkOptions.of(descriptor, keywords)
    remaining = deadline.remaining()
    total = Deadline(options.timeout if remaining is None else min(options.timeout, remaining))
    wrap: Wrap = keywords.get("wrap") or unwrapped
    given: Transport | None = keywords.get("transport")
    given = wrap(given) if given else None
    tried: list[PortEvidence] = []
    for seen in [PortEvidence(given.describe())] if given else _ports(options):
        tried.append(seen)
        found = try_port(seen, options, total.remaining() or 0.0, wrap, given)
        if found is not None:
            return found
    for seen in tried:
        explain(seen)
    raise no_board(tried) if tried else no_port(_left_alone(), str(descriptor))


def align(transport: Transport, deadline: Deadline, *, bauds: Sequence[int] = (), recover: bool = False) -> AlignedPort:
    """Brings a board on an open line to rest.

    Args:
        transport: its rate is changed where it has one.
        deadline: for all of it.
        bauds: to try, one when it is known; none: leave the rate as it is.
        recover: try everything at every rate, until the deadline.

    Raises:
        LinkTimeoutError: none has answered; `evidence` has a `PortEvidence`.
        UnsupportedDialectError: it speaks another protocol.
        LinkLostError: the line is gone.
    """
    seen = PortEvidence(transport.describe())
    aligned = _align(transport, deadline, bauds, recover, seen)
    if aligned is None:
        explain(seen)
        raise no_board([seen])
    return aligned


def realign(transport: Transport, connection: Connection, deadline: Deadline) -> Connection:
    """Brings a board back after a fault, on the same line.

    Args:
        connection: the failed or interrupted one; tells the framing and the last request.
        deadline: a board that is busy with a run answers when that is over.

    Returns:
        A new connection, in state READY, with small packets: say GetSystemInfo again.

    Raises:
        LinkTimeoutError, LinkLostError, ProtocolError: it did not come back.
    """
    seen = PortEvidence(transport.describe())
    attempt = Attempt(transport.baudrate)
    seen.attempts.append(attempt)
    aligner = Aligner(transport, deadline, attempt, connection.reqid)
    try:
        aligner.drain()
        known = connection.dialect
        aligned = aligner.resume(known.header_bytes, connection.packet_size) if known is not None else None
        while aligned is None:
            aligned = aligner.recover(thorough=True)
    except LinkTimeoutError as error:
        explain(seen)
        raise no_board([seen]) from error
    return _synchronised(transport, aligned, deadline)


def try_port(
    seen: PortEvidence, options: LinkOptions, seconds: float, wrap: Wrap, given: Transport | None = None
) -> Found | None:
    """The board on one port, within `seconds`; None where there is none, and then `seen` tells what was.

    Args:
        seen: filled; its `port` is what is opened, unless a line is `given`.
        wrap: what the line goes through once it is open.

    Raises:
        InvalidParamError: the address or the rate is not possible.
    """
    transport = given
    try:
        patience = Deadline(min(seconds, _patience(seen.port)))
        transport = given or wrap(open_transport(seen.port, options.bauds[0], patience))
        deadline = transport.deadline(seconds)
        aligned = _align(transport, deadline, options.bauds, options.recover, seen)
        if aligned is not None and _is_wanted(aligned, options, seen):
            return Found(transport, _at_rest(transport, aligned, deadline, seen), seen.port)
    except InvalidParamError:
        _close(transport, given)
        raise
    except (HwIOError, ProtocolError) as error:
        _note(seen, error)
    except BaseException:
        _close(transport, given)
        raise
    _close(transport, given)
    if not seen.problem:
        seen.holders = _others(seen.port)
    return None


def _align(
    transport: Transport, deadline: Deadline, bauds: Sequence[int], recover: bool, seen: PortEvidence
) -> AlignedPort | None:
    """Step 2 of the procedure at every rate; the rest where the rate is given, where bytes came back, or on request."""
    rates = tuple(bauds) if transport.baudrate is not None and bauds else (transport.baudrate,)
    reqid = 0
    for rate in rates:
        attempt = Attempt(rate)
        seen.attempts.append(attempt)
        aligner = _at(transport, deadline, attempt, reqid)
        aligner.drain()
        aligned = aligner.probe()
        if aligned is not None:
            return aligned
        reqid = aligner.reqid
    for attempt in sorted(seen.attempts, key=lambda a: -a.answered):
        if recover or len(rates) == 1 or attempt.answered:
            aligner = _at(transport, deadline, attempt, reqid)
            aligned = aligner.recover(recover)
            if aligned is not None:
                return aligned
            reqid = aligner.reqid
    return None


def unwrapped(transport: Transport) -> Transport:
    """The line itself: what `wrap` is where nothing else is given."""
    return transport


def _at(transport: Transport, deadline: Deadline, attempt: Attempt, reqid: int) -> Aligner:
    if attempt.baudrate is not None:
        transport.baudrate = attempt.baudrate
    return Aligner(transport, deadline, attempt, reqid)


def _at_rest(transport: Transport, aligned: AlignedPort, deadline: Deadline, seen: PortEvidence) -> Connection:
    """The connection. What was taken for the answer may have been that to a request of an earlier client, which had the
    same number and was completed by ours: then the board is out of step, and comes back as from any other state."""
    try:
        return _synchronised(transport, aligned, deadline)
    except UnsupportedDialectError:
        raise
    except (LinkTimeoutError, ProtocolError):
        attempt = next((each for each in seen.attempts if each.reply is not None), seen.attempts[-1])
        again = Aligner(transport, deadline, attempt, aligned.reqid).recover(thorough=False)
        if again is None:
            raise
    return _synchronised(transport, again, deadline)


def _synchronised(transport: Transport, aligned: AlignedPort, deadline: Deadline) -> Connection:
    connection = Connection(aligned.header_bytes, reqid=aligned.reqid)
    remaining = deadline.remaining()
    until = transport.deadline(_SYNC_WAIT if remaining is None else min(_SYNC_WAIT, remaining))
    transport.write(connection.send(Sync()), until)
    while connection.state is not State.READY or connection.busy:
        event = connection.next_event()
        if event is NEED_DATA:
            data = transport.read(_READ_SIZE, until)
            if not data:
                raise LinkTimeoutError(f"{transport.describe()}: the board has answered once, then no more")
            connection.receive_data(data)
        elif isinstance(event, SyncReply):
            continue
    return connection


def _is_wanted(aligned: AlignedPort, options: LinkOptions, seen: PortEvidence) -> bool:
    name = aligned.reply.dialect.name
    if name.startswith(options.dialect):
        return True
    seen.attempts[-1].refusal = f"the board speaks {name}, and {options.dialect} is asked for"
    return False


def _ports(options: LinkOptions) -> list[PortEvidence]:
    if options.address:
        return [PortEvidence(options.address)]
    return [PortEvidence(port.device, f"{kind_of(port)} {port.serial_number}".strip()) for port in candidates()]


def _left_alone() -> list[PortEvidence]:
    """The ports that nobody has named and that are not ST's."""
    cause, step = "no USB port of ST: left alone", "if the board is there, name it: serial:{}"
    return [PortEvidence(port.device, cause=cause, next_step=step.format(port.device)) for port in list_serial_ports()]


def _patience(port: str) -> float:
    return float("inf") if "://" in port else _PATIENCE


def _note(seen: PortEvidence, error: HwIOError | ProtocolError) -> None:
    if isinstance(error, UnsupportedDialectError):
        return  # stands in the attempt
    if isinstance(error, LinkTimeoutError) and seen.attempts:
        seen.attempts[-1].steps.append("out of time")
        return
    seen.problem, seen.cause, seen.next_step = error.message, error.message, error.hint
    if isinstance(error, PortBusyError):
        seen.holders = _others(seen.port)
        if seen.holders:
            seen.cause = seen.problem = f"{seen.port} is in use by {', '.join(seen.holders)}"


def _others(port: str) -> tuple[str, ...]:
    return () if "://" in port else tuple(str(holder) for holder in holders(port))


def _close(transport: Transport | None, given: Transport | None) -> None:
    if transport is not None and given is None:
        transport.close()
