"""`IsolatedDriver`: the contract of a driver, kept by a child process that runs the real one."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter
from typing import Any

from ai_runner.deadline import Deadline
from ai_runner.descriptor import Descriptor
from ai_runner.driver import CALLBACK_EVENTS, AiRunnerCallback, Array, Driver, heard_events
from ai_runner.errors import (
    AiRunnerError,
    HwIOError,
    InvalidMsgError,
    InvalidParamError,
    LinkTimeoutError,
    NotConnectedError,
    TargetCrashError,
)
from ai_runner.exclusive_use import ExclusiveUse
from ai_runner.isolation.blocks import blobs_in, fill, new_block
from ai_runner.isolation.channel import Header
from ai_runner.isolation.process import Child
from ai_runner.isolation.values import Blob, decode, decode_error, encode, layout
from ai_runner.model import Mode, ModelInfo
from ai_runner.profile import RunResult

_CLOSE_S = 2.0
# The child gets the deadline itself; it is given this long to report in its own words what did not answer.
_GRACE_S = 0.25


class IsolatedDriver(Driver):
    """Runs a driver in a child process.

    Errors of the driver arrive as they are. A child that dies is a TargetCrashError (E801) with the signal's name or
    the exit code and the last lines of its standard error; afterwards this driver is closed and can be opened again.

    Args:
        cls: the driver's class, importable by its module and name.
        descriptor, keywords: what it is constructed with.

    Raises:
        InvalidParamError: the class refuses them, or another process cannot import it or be given them.
    """

    def __init__(self, cls: type[Driver], descriptor: Descriptor, **keywords: Any) -> None:
        checked = cls(descriptor, **keywords)
        self.descriptor = descriptor
        self.keywords = checked.keywords
        self._location = f"{cls.__module__}:{cls.__qualname__}"
        if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
            raise InvalidParamError(
                f"{descriptor}: {self._location} cannot be imported by another process",
                hint="define the driver's class at the top of a module",
            )
        try:
            encode(self.keywords, [])
        except TypeError as error:
            raise InvalidParamError(f"{descriptor}: {error}", hint="give bytes, arrays, numbers or texts") from error
        self._child: Child | None = None
        # The answer to another request would be taken for this one's.
        self._use = ExclusiveUse(descriptor, self._release)
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._infos: dict[str, ModelInfo] = {}
        self._description = ""

    def open(self, deadline: Deadline) -> None:
        """Starts the child and opens the driver there, both within the deadline.

        Raises:
            LinkTimeoutError: it was not ready in time.
            TargetCrashError: it died.
        """
        self.close()
        with self._use:
            self._child = child = Child()
            self._finalizer = weakref.finalize(self, child.kill)
            seconds = deadline.remaining()
            blobs: list[Blob] = []
            request = {
                "do": "open",
                "class": self._location,
                "descriptor": encode(self.descriptor, blobs),
                "keywords": encode(self.keywords, blobs),
                "seconds": seconds,
                "log_level": logging.getLogger("ai_runner").getEffectiveLevel(),
            }
            with child.time_limit(None if seconds is None else seconds + _GRACE_S) as expired:
                try:
                    header, received = self._exchange(request, blobs)
                    self._infos, self._description = decode(header.get("result"), received)
                except TargetCrashError as error:
                    if not expired.is_set():
                        raise
                    raise LinkTimeoutError(
                        f"{self.descriptor}: was not ready within {seconds:.3g} s",
                        hint="give it more time",
                        evidence=error.evidence,
                        retryable=True,
                    ) from None
                except BaseException:
                    self._drop()
                    raise

    def names(self) -> tuple[str, ...]:
        """Names of the models."""
        self._connected()
        return tuple(self._infos)

    def info(self, name: str) -> ModelInfo:
        """Description of a model."""
        self._connected()
        if name not in self._infos:
            known = ", ".join(map(repr, self._infos))
            raise InvalidParamError(f"{self.descriptor}: no model {name!r}", hint=f"it has {known}")
        return self._infos[name]

    def invoke(
        self, name: str, inputs: Sequence[Array], mode: Mode = Mode.IO_ONLY, callback: AiRunnerCallback | None = None
    ) -> RunResult:
        """Runs a batch in the child; see `Driver.invoke`. `host_duration` includes the way there and back.

        Raises:
            TargetCrashError: the child died.
        """
        info = self.info(name)
        start = perf_counter()
        blobs: list[Blob] = []
        encoded = encode(list(inputs), blobs)
        sizes = [len(blob) for blob in blobs]
        with self._use, new_block(layout(sizes)[1]) as block:
            fill(block, blobs)
            request = {
                "do": "invoke",
                "name": name,
                "mode": mode.value,
                "inputs": encoded,
                "shared": [block.name, sizes],
                "events": heard_events(callback),
            }
            header, _ = self._exchange(request, (), callback)
            parts = self._fetch(header)
        parts |= {"host_duration": (perf_counter() - start) * 1e3}
        return RunResult(info=info, **parts)

    def extension(self, name: str | None, **command: Any) -> Any:
        """Hands the command to the driver in the child."""
        self._connected()
        blobs: list[Blob] = []
        try:
            request = {"do": "extension", "name": name, "command": encode(command, blobs)}
        except TypeError as error:
            raise InvalidParamError(f"{self.descriptor}: {error}") from error
        with self._use:
            header, received = self._exchange(request, blobs)
            return decode(header.get("result"), received)

    def close(self) -> None:
        """Closes the driver and ends the child, by force when it does not answer within seconds.

        During a run, from a callback or another thread, as soon as that run ends.
        """
        self._use.close()

    def describe(self) -> str:
        """One line for a person."""
        return f"{self._description or self.descriptor} (in a child process)"

    def _connected(self) -> Child:
        if self._child is None:
            raise NotConnectedError(f"{self.descriptor}: is not connected", hint="open it first")
        return self._child

    def _release(self) -> None:
        if self._child is None:
            return
        try:
            with self._child.time_limit(_CLOSE_S):
                self._exchange({"do": "close"})
        except AiRunnerError as error:
            logging.getLogger(__name__).debug("%s: while closing: %s", self.descriptor, error)
        self._drop(by_force=False)

    def _exchange(
        self, request: Header, blobs: Sequence[Blob] = (), callback: AiRunnerCallback | None = None
    ) -> tuple[Header, list[Blob]]:
        """Sends a request, answers the events, returns the reply; whatever breaks the conversation ends the child."""
        child = self._connected()
        raised: Exception | None = None
        try:
            child.channel.send(request, blobs)
            while True:
                header, received = child.channel.receive()
                if "event" not in header:
                    break
                try:
                    answer: Header = {"answer": _tell(callback, header, received)}
                except Exception as error:
                    raised, answer = error, {"abandon": True}
                child.channel.send(answer)
            for logger, level, text in header.pop("logs", ()):
                logging.getLogger(str(logger)).log(int(level), "%s", text)
            if raised is not None and "shared_sizes" in header:
                _decline(child)
        except (EOFError, OSError) as error:
            raise self._crash(child) from error
        except BaseException:
            self._drop()
            raise
        if raised is not None:
            raise raised
        if "error" in header:
            raise decode_error(header["error"], received)
        return header, received

    def _fetch(self, header: Header) -> Any:
        """The result of a run, whose arrays the child puts into a block made for them."""
        child = self._connected()
        try:
            sizes = header["shared_sizes"]
            with ExitStack() as stack:
                try:
                    block = stack.enter_context(new_block(layout(sizes)[1]))
                except HwIOError as error:
                    _decline(child)
                    refused = error
                else:
                    child.channel.send({"shared": block.name})
                    child.channel.receive()
                    return decode(header["result"], stack.enter_context(blobs_in(block, sizes)))
        except (EOFError, OSError) as error:
            raise self._crash(child) from error
        except BaseException:
            self._drop()
            raise

        raise refused

    def _crash(self, child: Child) -> TargetCrashError:
        self._drop(by_force=False)
        how, evidence = child.obituary()
        return TargetCrashError(
            f"{self.descriptor}: the process that ran it {how}",
            hint="the model or its runtime crashes; connecting again starts a new process",
            evidence=evidence,
        )

    def _drop(self, by_force: bool = True) -> None:
        """Ends the child if there is one; afterwards this driver is closed."""
        child, self._child = self._child, None
        self._infos, self._description = {}, ""
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        if child is not None:
            (child.kill if by_force else child.end)()


def _decline(child: Child) -> None:
    """Lets the child forget a result."""
    child.channel.send({"shared": None})
    child.channel.receive()


def _tell(callback: AiRunnerCallback | None, header: Header, blobs: Sequence[Blob]) -> bool:
    """Hands an event to the callback; False when it wants to stop."""
    event, arguments = header["event"], decode(header.get("arguments"), blobs)
    if callback is None or event not in CALLBACK_EVENTS or not isinstance(arguments, Mapping | tuple | list):
        raise InvalidMsgError(f"an event {event!r} that nobody asked for")
    answer = getattr(callback, event)(*arguments)
    return event != "on_sample_end" or answer is None or bool(answer)
