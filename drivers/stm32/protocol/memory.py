"""One transfer of memory: what has been moved, and whether it arrived."""

from __future__ import annotations

from ai_runner.drivers.stm32.protocol.errors import ProtocolError
from ai_runner.drivers.stm32.protocol.events import MemoryData
from ai_runner.memory_image import bsdchecksum


class Reading:
    """A range of memory that arrives in pieces."""

    def __init__(self, address: int, size: int) -> None:
        self._next = address
        self._end = address + size

    def take(self, piece: MemoryData, is_last: bool) -> MemoryData:
        """The piece at its place in the range; the address that the device gives may be that of a buffer of its own.

        Raises:
            ProtocolError: more or less has come than was asked for.
        """
        address = self._next
        self._next += len(piece.data)
        if self._next > self._end or is_last != (self._next == self._end):
            raise ProtocolError(f"{self._next - address} bytes of memory at {address:#x}, with {self._end:#x} the end")
        return MemoryData(address, piece.data)


class Writing:
    """A range of memory that is sent in chunks, each of which the device answers with its checksum."""

    def __init__(self, address: int, data: bytes) -> None:
        self._address = address
        self._data = data
        self._offset = 0
        self._chunk = b""
        self._chunk_size = 0

    def accept(self, chunk_size: int) -> None:
        """The device takes chunks of so many bytes."""
        if chunk_size <= 0:
            raise ProtocolError(f"memory to be written in chunks of {chunk_size} bytes")
        self._chunk_size = chunk_size

    def next_chunk(self) -> tuple[int, bytes]:
        """Address and bytes of the next chunk."""
        address = self._address + self._offset
        self._chunk = self._data[self._offset : self._offset + self._chunk_size]
        self._offset += len(self._chunk)
        if not self._chunk:
            raise ProtocolError("the device waits for more memory than it was asked to write")
        return address, self._chunk

    def check(self, checksum: int, is_last: bool) -> None:
        """Compares the device's checksum of the chunk with our own.

        Raises:
            ProtocolError: they differ, or the device stopped early.
        """
        if checksum != bsdchecksum(self._chunk):
            raise ProtocolError(f"a chunk of memory arrived with checksum {checksum:#x}")
        if is_last and self._offset < len(self._data):
            raise ProtocolError(f"the device took {self._offset} of {len(self._data)} bytes of memory")
