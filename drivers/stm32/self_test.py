"""Self-tests that test builds of the firmware answer: one of them, and the ones whose answers are known.

Numbers and answers are those of ST's test firmware, in which some tests answer with less than an end: those are over
when the answer is there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ai_runner.drivers.stm32.link import Link
from ai_runner.drivers.stm32.protocol import (
    Acknowledge,
    Acknowledged,
    Event,
    LogMessage,
    MemoryData,
    NodeReport,
    Refused,
    RunReport,
    SelfTest,
    SendTensor,
    State,
    Sync,
    Tensor,
)
from ai_runner.drivers.stm32.protocol.codes import AnswerState
from ai_runner.errors import InvalidParamError, LinkTimeoutError

_TWO_ACKS, _RECEIVE, _EXCHANGE, _SEND_TENSOR = 4, 30, 50, 100
_SENT = bytes(range(50))
_OPERATOR_TYPE, _OPERATOR_ID = 34, 55


@dataclass
class Answers:
    """What one test answered."""

    acks: list[Acknowledged | Refused]
    logs: list[LogMessage]
    reports: list[NodeReport | RunReport]
    tensors: list[Tensor]
    data: bytes

    def to_dict(self, number: int) -> dict[str, Any]:
        """``test_id``, ``error``, ``state``, ``param`` of the last ack, and whatever else came."""
        last = self.acks[-1] if self.acks else None
        found: dict[str, Any] = {"test_id": number, "error": last.error if isinstance(last, Refused) else 0}
        if last is not None:
            found |= {"state": int(_state(last)), "param": last.param}
        if self.logs:
            found["logs"] = [(log.level, log.text) for log in self.logs]
        if self.reports:
            report = self.reports[-1]
            found |= {"duration": report.duration, "counter_type": report.counter_type, "counters": report.counters}
        if self.tensors:
            found |= {"shape": self.tensors[-1].desc.shape, "format": self.tensors[-1].desc.format}
            data = self.tensors[-1].data
            found["data"] = None if data is None else bytes(data)
        elif self.data:
            found["data"] = self.data
        return found


def run_unit_test(link: Link, number: int, params: Any = None) -> dict[str, Any]:
    """Runs one test.

    Args:
        number: of the test, 0..65535.
        params: a mapping with ``extra``, ``opt``, ``name`` and, for tests that take it, ``data`` (bytes).

    Returns:
        See `Answers.to_dict`; a test that stays silent answers with ``{'test_id', 'error'}``.

    Raises:
        InvalidParamError: `params` is something else.
    """
    if params is not None and not isinstance(params, Mapping):
        raise InvalidParamError(f"params={params!r} is not a mapping of extra, opt, name and data")
    given = dict(params or {})
    data = bytes(given.pop("data", b""))
    if set(given) - {"extra", "opt", "name"} or not 0 <= number < 1 << 16:
        raise InvalidParamError(f"test {number} with params {sorted(given)}: extra, opt, name and data are known")
    return _run(link, SelfTest(number, **given), data).to_dict(number)


def run_self_tests(link: Link) -> dict[str, Any]:
    """Runs the tests whose answers are known; ``error`` is 0 when all of them are right.

    Returns:
        ``{'error': 0 or 1, 'tests': [{'test_id', 'passed', ...}]}``.
    """
    dialect = link.connection.dialect
    known = _V3_TESTS if dialect is not None and dialect.family == "v3" else _V2_TESTS
    results = []
    for test, data, right in known:
        answers = _run(link, test, data)
        results.append({**answers.to_dict(test.number), "passed": right(answers)})
    return {"error": int(not all(result["passed"] for result in results)), "tests": results}


def _run(link: Link, test: SelfTest, data: bytes) -> Answers:
    answers = Answers([], [], [], [], b"")
    try:
        for event in link.ask(test):
            _take(answers, event)
            if isinstance(event, Acknowledged) and data and event.state is AnswerState.WAITING:
                link.say(SendTensor(data))
                data = b""
            elif _wants_ack(test, event):
                link.say(Acknowledge())
            elif _is_all(test, event):
                break
    except LinkTimeoutError:
        # Test 3 is silence; whether the board lives is for the Sync to find out.
        if link.connection.state is not State.TESTING:
            raise
    if link.connection.state is State.TESTING:
        link.answer(Sync())
    return answers


def _take(answers: Answers, event: Event) -> None:
    if isinstance(event, Acknowledged | Refused):
        answers.acks.append(event)
    elif isinstance(event, LogMessage):
        answers.logs.append(event)
    elif isinstance(event, NodeReport | RunReport):
        answers.reports.append(event)
    elif isinstance(event, Tensor):
        answers.tensors.append(event)
    elif isinstance(event, MemoryData):
        answers.data += event.data


def _wants_ack(test: SelfTest, event: Event) -> bool:
    received = isinstance(event, Acknowledged) and event.state is AnswerState.PROCESSING
    return received and test.number in (_RECEIVE, _EXCHANGE)


def _is_all(test: SelfTest, event: Event) -> bool:
    """Whether the firmware says no more, although it has not said that it is done."""
    first_of_two = test.number == _TWO_ACKS and isinstance(event, Acknowledged)
    return first_of_two or (test.number >= _SEND_TENSOR and isinstance(event, Tensor))


def _state(ack: Acknowledged | Refused) -> AnswerState:
    return AnswerState.ERROR if isinstance(ack, Refused) else ack.state


def _done(param: int | None = None) -> Callable[[Answers], bool]:
    def right(answers: Answers) -> bool:
        last = answers.acks[-1] if answers.acks else None
        return isinstance(last, Acknowledged) and last.state is AnswerState.DONE and param in (None, last.param)

    return right


def _refused(answers: Answers) -> bool:
    return bool(answers.acks) and isinstance(answers.acks[-1], Refused)


def _five_logs(answers: Answers) -> bool:
    return len(answers.logs) == 5 and _done()(answers)


def _filled(answers: Answers) -> bool:
    return answers.data == bytes([9]) * 70 and _done(zlib.crc32(answers.data))(answers)


def _operator(answers: Answers) -> bool:
    return len(answers.reports) == 1


_Known = tuple[SelfTest, bytes, Callable[[Answers], bool]]
_V3_TESTS: tuple[_Known, ...] = (
    (SelfTest(0), b"", _done()),
    (SelfTest(1), b"", _refused),
    (SelfTest(2), b"", _five_logs),
    (SelfTest(20, opt=2, name="abc"), b"", _operator),
    (SelfTest(_RECEIVE, extra=len(_SENT)), _SENT, _done(zlib.crc32(_SENT))),
    (SelfTest(40, extra=70, opt=9), b"", _filled),
)
_V2_TESTS: tuple[_Known, ...] = (
    (SelfTest(0), b"", _done()),
    (SelfTest(1), b"", _refused),
    (SelfTest(1, name="abc"), b"", _done(3)),
)
