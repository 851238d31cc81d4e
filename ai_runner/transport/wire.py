"""Drivers with a wire: what makes them recordable and replayable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ai_runner.driver import Driver
from ai_runner.transport.cassette import Piece
from ai_runner.transport.player import ExactPeer, RecordedPeer


class WireDriver(Driver):
    """A driver that talks through transports.

    Two keyword arguments belong to it:
        transport: an open `Transport` to use instead of opening one; it stays the caller's.
        wrap: called with every transport it opens, and with one that is given; what it returns is used in its place.
    """

    KEYWORDS: ClassVar[frozenset[str]] = frozenset({"transport", "wrap"})

    @classmethod
    def recorded_peer(cls, pieces: Sequence[Piece]) -> RecordedPeer:
        """The other end of a recorded line; one that wants exactly the recorded bytes, where a driver knows no better.

        Raises:
            InvalidMsgError: nothing of this driver's protocol was recorded.
        """
        return ExactPeer(pieces)
