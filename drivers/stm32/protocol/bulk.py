"""A bound on what parsing a message may cost.

Tensor elements cost as much memory as they have bytes; everything else becomes objects, many times larger. Of a
message above the bound, therefore, all but the elements has to stay below it, and that is looked up before parsing.
Wire format: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol.errors import ProtocolError

Path = tuple[int, ...]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_overhead(message: bytes, bulk: tuple[Path, ...], allowed: int) -> None:
    """Raises ProtocolError when `message` has more than `allowed` bytes outside of the `bulk` fields.

    Args:
        message: protobuf on the wire.
        bulk: paths of field numbers to the fields that may be of any length.
        allowed: bytes; also bounds the fields that are looked at.
    """
    spans: list[tuple[int, int, tuple[Path, ...]]] = [(0, len(message), bulk)]
    overhead = 0
    while spans:
        position, end, paths = spans.pop()
        while position < end:
            start = position
            tag, position = _varint(message, position, end)
            number, wire = tag >> 3, tag & 7
            if wire == _BYTES:
                length, position = _varint(message, position, end)
            elif wire == _VARINT:
                _, position = _varint(message, position, end)
                length = 0
            elif wire in (_FIXED64, _FIXED32):
                length = 8 if wire == _FIXED64 else 4
            else:
                raise ProtocolError("an undecodable message", data=message)
            if length > end - position:
                raise ProtocolError("a message with a field beyond its end", data=message)
            overhead += position - start
            inner = tuple(path[1:] for path in paths if path[0] == number) if wire == _BYTES else ()
            if not inner:
                overhead += length
            elif () not in inner:
                spans.append((position, position + length, inner))
            position += length
            if overhead > allowed:
                raise ProtocolError(f"a message with more than {allowed} bytes besides tensor elements", data=message)


def _varint(message: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ProtocolError("a message with a broken number", data=message)
