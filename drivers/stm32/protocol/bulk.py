"""The elements of a tensor, cut out of a message before it is parsed.

Elements cost as much memory as they have bytes; everything else becomes objects, many times larger. Of a large message,
therefore, all but the elements has to stay below a bound, and the elements themselves are never copied by the parser.
Wire format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterable

from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.packets import varint

Path = tuple[int, ...]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def cut_elements(message: bytes | bytearray, bulk: Iterable[Path], allowed: int) -> tuple[bytes, memoryview | None]:
    """The message without the first of the `bulk` fields that it has, and what was in that field.

    Args:
        message: protobuf on the wire.
        bulk: paths of field numbers to the fields that may be of any length.
        allowed: bytes that the rest may have; also bounds the fields that are looked at.

    Returns:
        A message that says the same but for the field, and a view of its contents; None where there is no such field.

    Raises:
        ProtocolError: it cannot be walked, or the rest is longer than `allowed`.
    """
    whole = memoryview(message)
    rest, elements = _cut(whole, list(bulk), allowed)
    if elements is None and len(whole) > allowed:
        raise _too_long(whole, allowed)
    return rest, elements


def _cut(message: memoryview, paths: list[Path], allowed: int) -> tuple[bytes, memoryview | None]:
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        size, position = _field_size(message, tag & 7, position)
        end = position + size
        if end > len(message):
            raise ProtocolError("a message with a field beyond its end", data=message)
        inner = [path[1:] for path in paths if path[0] == tag >> 3] if tag & 7 == _BYTES else []
        if inner:
            if start + len(message) - end > allowed:
                raise _too_long(message, allowed)
            before, after = bytes(message[:start]), bytes(message[end:])
            if () in inner:
                return before + after, message[position:end]
            rest, elements = _cut(message[position:end], inner, allowed)
            if elements is not None:
                if len(before) + len(rest) + len(after) > allowed:
                    raise _too_long(message, allowed)
                return b"".join((before, varint(tag), varint(len(rest)), rest, after)), elements
        position = end
        if position > allowed:
            raise _too_long(message, allowed)
    return bytes(message), None


def _field_size(message: memoryview, wire: int, position: int) -> tuple[int, int]:
    """Bytes of the field whose tag ends at `position`, from where they begin."""
    if wire == _BYTES:
        return _varint(message, position)
    if wire == _VARINT:
        return 0, _varint(message, position)[1]
    if wire in (_FIXED64, _FIXED32):
        return 8 if wire == _FIXED64 else 4, position
    raise ProtocolError("an undecodable message", data=message)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends."""
    if position < len(message) and (value := message[position]) < 0x80:
        return value, position + 1
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ProtocolError("a message with a broken number", data=message)


def _too_long(message: memoryview, allowed: int) -> ProtocolError:
    return ProtocolError(f"a message with more than {allowed} bytes besides tensor elements", data=message)
