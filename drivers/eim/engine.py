"""An engine that has said hello: its features taken, by shared memory or as JSON, and its replies given."""

from __future__ import annotations

import copy
import logging
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_runner.drivers.eim.link import Link
from ai_runner.drivers.eim.protocol import (
    HELLO,
    Refused,
    Request,
    classify,
    classify_shared,
    set_threshold,
)
from ai_runner.drivers.eim.starting import EngineOptions
from ai_runner.errors import HwIOError, InvalidModelError, InvalidMsgError, InvalidParamError
from ai_runner.impulse.hello import Hello, parse_hello, with_threshold
from ai_runner.transport.shared_memory import SharedArray, mapped_by, unlink_shared

_log = logging.getLogger(__name__)

_MADE_BY_AN_ENGINE = r"/shm-[0-9a-f]{12}"  # the name that the protocol gives shared memory

Features = npt.NDArray[np.float32]
Fields = dict[str, Any]


class Engine:
    """One engine: `greet` it, then ask.

    Attributes:
        link: to it, open.
        hello: what it said of itself.
        why_json: why features go as JSON; '' where they go through shared memory.
    """

    def __init__(self, link: Link, options: EngineOptions) -> None:
        self.link = link
        self.hello = Hello()
        self.why_json = "no hello was said"
        self._options = options
        self._reply: Fields = {}
        self._input: SharedArray | None = None
        self._outputs: list[SharedArray] = []
        self._seconds = options.timeout
        self._shared_request = HELLO
        self._untold: list[str] = []

    def greet(self, seconds: float, shm: str) -> None:
        """Says hello to an engine that nobody has spoken to.

        Args:
            seconds: it may take.
            shm: ``auto``, ``always`` or ``never``.

        Raises:
            HwIOError: it did not answer, or has no shared memory where that is a must.
            InvalidMsgError: its hello is none.
        """
        reply = self.link.ask(HELLO, seconds)
        if isinstance(reply, Refused):
            raise HwIOError(
                f"{self.link.transport.describe()} refused the hello: {reply.reason}",
                hint="an engine serves one client in its life: start another",
                evidence={"output": self.link.said()},
            )
        self._reply = reply.fields
        self.hello = parse_hello(self._reply)
        self.why_json = self._attach(shm)
        self._seconds = self._options.first(self.hello.starts_slowly)
        self._shared_request = classify_shared(self.hello.features, debug=self._options.debug)

    def hello_fields(self) -> Fields:
        """The hello reply, with the thresholds as they are now; the caller's own."""
        return copy.deepcopy(self._reply)

    def classify(self, features: Features, continuous: bool = False, debug: bool = False) -> Fields:
        """Classifies a window, or a slice.

        Args:
            features: checked: one-dimensional, finite, as many as there have to be.
            continuous: they are a slice.
            debug: the engine shall print what it does.

        Returns:
            The reply without ``id`` and ``success``; outputs of a freeform model as arrays, or as lists where they did
            not come through shared memory.

        Raises:
            InvalidModelError: the engine could not.
            HwIOError, InvalidMsgError: as `Link.ask`.
        """
        debug = debug or self._options.debug
        if self._input is None:
            request = classify(features, continuous, debug)
        else:
            plain = not continuous and debug is self._options.debug
            request = self._shared_request if plain else classify_shared(len(features), continuous, debug)
            if self.link.owes:  # a classification that timed out may still read it
                self.link.settle(request, self._seconds)
            self._input.values[: len(features)] = features
        fields = self._answer(request, debug)
        result = fields.get("result")
        if not isinstance(result, dict):
            raise InvalidMsgError(f"{self.link.transport.describe()}: a reply to {request.name} has no result")
        if result.get("freeform") == "shm":
            result["freeform"] = [output.values.copy() for output in self._outputs]
        return fields

    def freeform_sizes(self) -> list[int]:
        """Elements of each output of a freeform model, learned from a classification of zeros."""
        outputs = self.classify(np.zeros(self.hello.features, np.float32))["result"].get("freeform")
        if not isinstance(outputs, list) or not all(isinstance(output, list | np.ndarray) for output in outputs):
            raise InvalidMsgError("a freeform model's reply has no list of outputs")
        return [len(output) for output in outputs]

    def set_threshold(self, threshold: dict[str, Any]) -> None:
        """Changes values of one block; see `hello_fields`.

        Raises:
            InvalidParamError: the engine refused it, or it cannot be sent.
        """
        reply = self.link.ask(set_threshold(threshold), self._options.timeout)
        if isinstance(reply, Refused):
            raise InvalidParamError(
                f"{self.link.transport.describe()} refused the threshold: {reply.reason}",
                hint="the thresholds of the hello reply are what can be set",
            )
        self._reply = with_threshold(self._reply, threshold)

    def request(self, request: Request) -> Fields:
        """The raw reply to any request."""
        reply = self.link.ask(request, max(self._seconds, self._options.timeout))
        if isinstance(reply, Refused):
            return {"id": reply.id, "success": False, "error": reply.error}
        return {"id": reply.id, "success": True, **reply.fields}

    def close(self) -> None:
        """Gives shared memory up, and looks what there is of it where no hello has told."""
        if not self._reply and self.link.child is not None:
            self._untold = [name for name in mapped_by(self.link.child.pid) if re.fullmatch(_MADE_BY_AN_ENGINE, name)]
        for shared in [*([self._input] if self._input else []), *self._outputs]:
            shared.close()
        self._input, self._outputs = None, []

    def unlink(self) -> None:
        """Removes shared memory that a dead engine left behind."""
        blocks = [*([self.hello.features_shm] if self.hello.features_shm else []), *self.hello.freeform_shm]
        for name in [*(block.name for block in blocks), *self._untold]:
            if unlink_shared(name):
                _log.info("removed shared memory %s, which the engine had left", name)

    def _answer(self, request: Request, debug: bool) -> Fields:
        printed = self.link.child.printed if debug and self.link.child is not None else 0
        reply = self.link.ask(request, self._seconds)
        if debug and self.link.child is not None:
            for line in self.link.child.said(since=printed):
                _log.debug("[ENGINE] %s", line)
        if isinstance(reply, Refused):
            raise InvalidModelError(
                f"{self.link.transport.describe()} refused {request.name}: {reply.reason}",
                hint="what it printed last is in the evidence",
                evidence={"error": reply.error, "output": self.link.said()},
            )
        self._seconds = self._options.timeout
        return reply.fields

    def _attach(self, shm: str) -> str:
        """Maps the memory that the hello names; why not, where features go as JSON."""
        block = self.hello.features_shm
        if shm == "never":
            return "switched off"
        try:
            if block is None:
                raise HwIOError(" ".join(self.hello.features_shm_error.split()) or "the engine offers none")
            if block.elements < self.hello.features:
                raise HwIOError(f"it has {block.elements} elements, and features are {self.hello.features}")
            self._input = SharedArray(block.name, block.elements)
            self._outputs = [SharedArray(output.name, output.elements) for output in self.hello.freeform_shm]
        except HwIOError as error:
            self.close()
            if shm == "always":
                raise HwIOError(
                    f"{self.link.transport.describe()}: no shared memory: {error.message}", hint="leave shm=always out"
                ) from error
            return error.message
        return ""
