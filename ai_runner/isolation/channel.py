"""Messages over a pair of byte streams: a JSON header and the bytes that it refers to.

A frame is the length of the header (4 bytes), the length of the payload (8 bytes), both little endian, header, payload.
The payload holds the blobs of `values`, laid out by `layout`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

from ai_runner.errors import InvalidMsgError
from ai_runner.isolation.values import Blob, copy_blobs, layout, split_blobs

_LENGTHS = struct.Struct("<IQ")
_MAX_HEADER = 1 << 28
_MAX_PAYLOAD = 1 << 34

Header = dict[str, Any]


class Channel:
    """One end of the connection.

    Args:
        incoming, outgoing: blocking binary streams.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    def send(self, header: Header, blobs: Sequence[Blob] = ()) -> None:
        """Sends a message; raises OSError or ValueError when the other end has gone."""
        offsets, size = layout([len(blob) for blob in blobs])
        text = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode("ascii")
        self._outgoing.write(_LENGTHS.pack(len(text), size) + text)
        if size:
            payload = bytearray(size)
            copy_blobs(blobs, offsets, memoryview(payload))
            self._outgoing.write(payload)
        self._outgoing.flush()

    def receive(self) -> tuple[Header, list[memoryview]]:
        """Waits for a message.

        Raises:
            EOFError: the other end has gone.
            InvalidMsgError: what came is no message.
        """
        header_size, payload_size = _LENGTHS.unpack(self._exactly(_LENGTHS.size))
        if header_size > _MAX_HEADER or payload_size > _MAX_PAYLOAD:
            raise InvalidMsgError(f"a message of {header_size} + {payload_size} bytes is none")
        text = self._exactly(header_size)
        payload = self._exactly(payload_size) if payload_size else b""
        try:
            header = json.loads(text)
            sizes = header.pop("sizes")
            return header, split_blobs(memoryview(payload), sizes)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidMsgError(f"a message that is none: {error}") from error

    def _exactly(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if len(data) < size:
            raise EOFError
        return data
