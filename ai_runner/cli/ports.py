"""``ai-runner ports``: the serial ports of this host."""

from __future__ import annotations

import argparse

from ai_runner.errors import ExitCode

HELP = "list the serial ports of this host, those of ST boards first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints one line a port; opens none of them."""
    for line in port_lines():
        print(line)
    return ExitCode.PASS


def port_lines() -> list[str]:
    """A table: name, what it is, USB numbers, serial number, who has it open."""
    from tabulate import tabulate

    from ai_runner.report.printable import printable
    from ai_runner.transport.port_list import holders, list_serial_ports
    from ai_runner.transport.st_usb import by_preference, kind_of

    rows = []
    for port in by_preference(list_serial_ports()):
        usb = "" if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}"
        in_use = ", ".join(str(holder) for holder in holders(port.device))
        cells = (port.device, kind_of(port), usb, port.serial_number, port.description, in_use)
        rows.append([printable(cell) for cell in cells])
    if not rows:
        return ["no serial ports"]
    headers = ["port", "board", "usb", "serial number", "description", "open in"]
    return tabulate(rows, headers=headers, disable_numparse=True).splitlines()
