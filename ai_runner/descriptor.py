"""``scheme:parameters?option=value`` -> Descriptor: the one grammar, free of I/O.

Whether a path exists or a port answers is the driver's business; this file only decides which driver is meant and
what it is told. docs/descriptors.md shows the grammar with the same examples as its tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ai_runner.errors import InvalidParamError

# Compiled when first used. One letter before a colon is a Windows drive, so a scheme has at least two characters.
_SCHEME = r"([A-Za-z][A-Za-z0-9_+.-]+):"
_OPTIONS = r"\?([A-Za-z_][\w.-]*=[^?]*)$"
_BARE_OPTION = r"\?[\w.&-]*$"
_SERIAL_PORT = r"(?i)(COM\d+(?=$|:)|/dev/(tty|cu\.|serial/|pts/|rfcomm)|\\\\\.\\)"
_BAUD_RATE = r"\d{3,8}"
_WORD = r"[A-Za-z][\w-]*"

# A file name that ends so needs no scheme.
_SUFFIX_SCHEMES = {".tflite": "tflite", ".eim": "eim", ".onnx": "onnx"}
_STREAM_URLS = ("socket", "rfc2217")


@dataclass(frozen=True)
class Descriptor:
    """Which runtime is meant, where it is, and how it shall behave.

    Attributes:
        scheme: lower case, the key of the driver registry.
        address: what stands between scheme and options: a path, a port, a URL; may be empty (``serial``).
        options: the ``key=value`` pairs, values percent-decoded. A baud rate in a serial address is the option
            ``baudrate``.
        text: the descriptor as it was given.
    """

    scheme: str
    address: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return self.text or f"{self.scheme}:{self.address}"

    def choice(self, option: str, allowed: tuple[str, ...], default: str) -> str:
        """The value of `option`, one of `allowed`; raises InvalidParamError (E804) for another one."""
        value = self.options.get(option, default)
        if value not in allowed:
            raise InvalidParamError(f"{self}: option {option}={value!r} is not one of {', '.join(allowed)}")
        return value

    def integer(self, option: str, default: int, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
        """The value of `option` as a number; raises InvalidParamError (E804) when it is none or out of range."""
        value = self.options.get(option)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,12}", value) or not minimum <= int(value) <= maximum:
            raise InvalidParamError(f"{self}: option {option}={value!r} is not a number in {minimum}..{maximum}")
        return int(value)

    def without(self, option: str) -> Descriptor:
        """The same without `option`, in the text too."""
        if option not in self.options:
            return self
        body, _, pairs = self.text.rpartition("?")
        kept = "&".join(pair for pair in pairs.split("&") if pair.partition("=")[0].strip() != option)
        options = {key: value for key, value in self.options.items() if key != option}
        return replace(self, options=options, text=f"{body}?{kept}" if kept else body)


def with_option(text: str | None, option: str, value: str) -> str:
    """The text of a descriptor with one option more; raises as `parse_descriptor` does."""
    from urllib.parse import quote

    parse_descriptor(text)
    body = (text or "").strip() or ":"
    separator = "&" if re.search(_OPTIONS, body) else "?"
    return f"{body}{separator}{option}={quote(value, safe='/:~ ')}"


def parse_descriptor(text: str | None) -> Descriptor:
    """Reads a descriptor.

    ``None``, an empty or blank text and ``':'`` mean serial auto-detection, as in ST's AiRunner. A text without a
    scheme is a serial port (``COM4``, ``/dev/ttyACM0``), a stream URL (``socket://``, ``rfc2217://``) or a path,
    whose suffix decides; a folder or anything else is the ``file:`` driver's.

    Raises:
        InvalidParamError: an option without a value or given twice, a serial address that is no port and no baud rate.
    """
    given = "" if text is None else str(text)
    body = given.strip()
    if body in ("", ":"):
        return Descriptor("serial", text=given)
    body, options = _split_options(body, given)
    scheme, address = _split_scheme(body)
    if scheme == "serial":
        address, baudrate = _split_baud_rate(address, given)
        if baudrate:
            if "baudrate" in options:
                raise InvalidParamError(f"{given}: the baud rate is given twice")
            options["baudrate"] = baudrate
    return Descriptor(scheme, address, options, given)


def _split_options(body: str, given: str) -> tuple[str, dict[str, str]]:
    match = re.search(_OPTIONS, body)
    if match is None:
        if re.search(_BARE_OPTION, body):
            raise InvalidParamError(
                f"{given}: after '?' comes name=value, several joined by '&'",
                hint="for example ?isolate=process&loop=sample",
            )
        return body, {}
    options: dict[str, str] = {}
    for pair in match.group(1).split("&"):
        key, equals, value = pair.partition("=")
        if not key or not equals or not value:
            raise InvalidParamError(f"{given}: option {pair!r} is not of the form name=value")
        if key in options:
            raise InvalidParamError(f"{given}: option {key!r} is given twice")
        options[key] = _percent_decoded(value)
    return body[: match.start()].strip(), options


def _percent_decoded(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote  # costs more to import than the rest of this module

    return unquote(value)


def _split_scheme(body: str) -> tuple[str, str]:
    if body in ("", ":"):
        return "serial", ""
    if re.match(_SERIAL_PORT, body):
        return "serial", body
    match = re.match(_SCHEME, body)
    if match:
        scheme, address = match.group(1).lower(), body[match.end() :].strip()
        if scheme in _STREAM_URLS and address.startswith("//"):
            return "serial", f"{scheme}:{address}"
        return scheme, address
    if body.lower() == "serial":
        return "serial", ""
    suffix = body[body.rfind(".") :].lower() if "." in body else ""
    return _SUFFIX_SCHEMES.get(suffix, "file"), body


def _split_baud_rate(address: str, given: str) -> tuple[str, str]:
    if not address or address == ":":
        return "", ""
    if re.fullmatch(_BAUD_RATE, address):
        return "", address
    if "://" in address:
        return address, ""
    port, colon, baudrate = address.rpartition(":")
    if not colon:
        port, baudrate = address, ""
    elif not re.fullmatch(_BAUD_RATE, baudrate):
        raise InvalidParamError(
            f"{given}: {baudrate!r} is not a baud rate", hint="serial:PORT:BAUD, for example serial:COM3:921600"
        )
    if not ("/" in port or "\\" in port or re.fullmatch(_WORD, port)):
        raise InvalidParamError(
            f"{given}: {port!r} is not a serial port", hint="serial:PORT:BAUD, for example serial:/dev/ttyACM0:115200"
        )
    return port, baudrate
