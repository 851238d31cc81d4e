"""Cutting what a client sends into messages by the engine's rule: braces are counted, also those in strings."""

from __future__ import annotations

MAX_BUFFER = 32 * 1024 * 1024
"""Bytes of the engine's buffers: one less is the longest message, and the longest reply with its line feed."""


class MessageTooLong(ValueError):
    """A message does not fit the buffer; the engine ends."""


class MessageSplitter:
    """Bytes in, messages out.

    A message ends at the ``}`` that makes as many closing as opening braces, wherever they stand. Other bytes before
    its ``{`` are dropped. So a brace in a string ends a message early or keeps it open, and a ``}`` too many is never
    made up for by well-formed messages.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._depth = 0  # opening minus closing braces; below 0 after a closing one too many
        self._opened = False

    @property
    def pending(self) -> bool:
        """True while a message has begun and not ended."""
        return self._opened

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order.

        Raises:
            MessageTooLong: the message that is being received has reached the size of the buffer.
        """
        messages = []
        position = 0
        while self._opened or (position := self._skip_to_message(data, position)) < len(data):
            end = self._end_of_message(data, position)
            self._append(data[position:end])
            if end is None:
                break
            messages.append(bytes(self._buffer))
            self._buffer.clear()
            self._opened = False
            position = end
        return messages

    def _skip_to_message(self, data: bytes, position: int) -> int:
        start = data.find(b"{", position)
        stray = data.count(b"}", position, start if start >= 0 else len(data))
        self._append(b"}" * stray)
        self._depth -= stray
        self._opened = start >= 0
        return start if start >= 0 else len(data)

    def _end_of_message(self, data: bytes, position: int) -> int | None:
        """Just after the brace that balances the message, None when it is not in `data`; the depth is kept along."""
        while True:
            close = data.find(b"}", position)
            self._depth += data.count(b"{", position, close if close >= 0 else len(data))
            if close < 0:
                return None
            self._depth -= 1
            position = close + 1
            if self._depth == 0:
                return position

    def _append(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= MAX_BUFFER:
            raise MessageTooLong(
                f"Invalid message, received more than {MAX_BUFFER} bytes, and no valid JSON message detected"
            )
