"""Serial ports of ST boards, told by their USB numbers."""

from __future__ import annotations

from collections.abc import Iterable

from ai_runner.transport.port_list import SerialPortInfo, list_serial_ports

# ST's USB vendor number and products, as in the lists of linux-usb.org and ST's own tools.
ST_VENDOR = 0x0483
_OWN_USB = 0x5740  # virtual COM port of the microcontroller itself
_ST_LINK = {
    **{0x374A: "ST-LINK/V2-1", 0x374B: "ST-LINK/V2-1", 0x3752: "ST-LINK/V2-1"},
    **{0x374D: "STLINK-V3 loader", 0x374E: "STLINK-V3", 0x374F: "STLINK-V3", 0x3753: "STLINK-V3"},
    **{0x3754: "STLINK-V3", 0x3755: "STLINK-V3 loader", 0x3757: "STLINK-V3PWR"},
}


def kind_of(port: SerialPortInfo) -> str:
    """What `port` is: 'STM32 USB', the name of an ST-LINK, 'ST' for another product of ST, or ''."""
    if port.vid != ST_VENDOR:
        return ""
    if port.pid == _OWN_USB:
        return "STM32 USB"
    return _ST_LINK.get(port.pid or 0, "ST")


def by_preference(ports: Iterable[SerialPortInfo]) -> tuple[SerialPortInfo, ...]:
    """Ports of ST first: the microcontroller's own USB, ST-LINKs, its other products; then everything else."""
    return tuple(sorted(ports, key=_rank))


def candidates(ports: Iterable[SerialPortInfo] | None = None) -> tuple[SerialPortInfo, ...]:
    """The ports of ST among `ports` (None: those of this host), best first.

    Others are not probed unless they are named: what is written there may be a command to whatever is connected.
    """
    listed = list_serial_ports() if ports is None else ports
    return tuple(port for port in by_preference(listed) if kind_of(port))


def _rank(port: SerialPortInfo) -> int:
    kind = kind_of(port)
    return {"STM32 USB": 0, "ST": 2, "": 3}.get(kind, 1)
