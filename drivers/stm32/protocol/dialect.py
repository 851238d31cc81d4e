"""The six dialects of the protocol that boards in the field speak."""

from __future__ import annotations

from dataclasses import dataclass

from ai_runner.drivers.stm32.protocol.errors import UnsupportedDialectError


@dataclass(frozen=True)
class Dialect:
    """A generation of the protocol.

    Attributes:
        name: ``v3.1-2b``: version and, where that does not tell, the width of the packet header.
        header_bytes: of a packet, 1 or 2. Known from probing, never from the version.
        version: major, minor, as in `syncMsg.version`.
        family: of messages, ``v2`` or ``v3``.
    """

    name: str
    header_bytes: int
    version: tuple[int, int]
    family: str

    @property
    def has_api_in_rtid(self) -> bool:
        """True where `rtid` is runtime, API, tool; False where it is runtime, tool."""
        return self.version >= (3, 1)


V2_1 = Dialect("v2.1", 1, (2, 1), "v2")
V2_2 = Dialect("v2.2", 1, (2, 2), "v2")
V3_0 = Dialect("v3.0", 1, (3, 0), "v3")
V3_1_1B = Dialect("v3.1-1b", 1, (3, 1), "v3")
V3_1_2B = Dialect("v3.1-2b", 2, (3, 1), "v3")
V3_2 = Dialect("v3.2", 2, (3, 2), "v3")
DIALECTS = (V2_1, V2_2, V3_0, V3_1_1B, V3_1_2B, V3_2)


def dialect_of(header_bytes: int, version: tuple[int, int]) -> Dialect:
    """The dialect of a firmware, or for a minor version that is not known yet the nearest older one of its major.

    Raises:
        UnsupportedDialectError: the version is another protocol. 1.x and 2.0 have other messages, for floats and Qmn.
    """
    same = [known for known in DIALECTS if (known.header_bytes, known.version[0]) == (header_bytes, version[0])]
    if not same or version < (2, 1):
        raise UnsupportedDialectError(
            f"protocol {version[0]}.{version[1]} with {header_bytes}-byte packet headers is not supported",
            hint="flash an aiValidation firmware of X-CUBE-AI 4.x or newer (protocol 2.1, 2.2 or 3.x)",
        )
    return max((known for known in same if known.version <= version), key=lambda d: d.version, default=same[0])
