"""scheme -> driver: built-ins imported when they are asked for, then the entry points of other packages.

A third party's package registers a subclass of `ai_runner.driver.Driver` under the scheme it serves::

    [project.entry-points."ai_runner.drivers"]
    myscheme = "my_package.driver:MyDriver"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ai_runner.descriptor import Descriptor, parse_descriptor
from ai_runner.driver import Driver
from ai_runner.errors import InvalidParamError, MissingRuntimeError

if TYPE_CHECKING:
    from ai_runner.transport.cassette import Cassette

ENTRY_POINT_GROUP = "ai_runner.drivers"


@dataclass(frozen=True)
class DriverEntry:
    """What is known of a driver without importing it.

    Attributes:
        scheme: what stands before the colon.
        summary: one line for `ai-runner drivers`.
        location: ``module:class``; '' for a runtime that this version does not serve yet.
        origin: the distribution it comes from.
        needs: what has to be installed besides, as a pip requirement or in words.
    """

    scheme: str
    summary: str
    location: str
    origin: str = "ai-runner"
    needs: str = ""


_C_LIBRARY = "ai_runner.drivers.c_library.driver:CLibraryDriver"
_STM32 = "ai_runner.drivers.stm32.driver:Stm32Driver"
_BUILT_IN = (
    DriverEntry("file", "ST C-model as a shared library of this host (legacy and st-ai API)", _C_LIBRARY),
    DriverEntry("lib", "the same under ST's newer name", _C_LIBRARY),
    DriverEntry(
        "tflite",
        ".tflite model on LiteRT, tflite-runtime or TensorFlow",
        "ai_runner.drivers.tflite.driver:TfliteDriver",
        needs="ai-edge-litert",
    ),
    DriverEntry("serial", "STM32 board with ST's aiValidation firmware", _STM32),
    DriverEntry("socket", "the same behind ST's TCP relay", _STM32),
    DriverEntry("replay", "a recorded session of any driver with a wire", "ai_runner.transport.wire:WireDriver"),
    DriverEntry("eim", "Edge Impulse executable (Linux, macOS)", "ai_runner.drivers.eim.driver:EimDriver"),
    DriverEntry("ei", "Edge Impulse C++ library", "ai_runner.drivers.ei_library.driver:EiLibraryDriver"),
    DriverEntry(
        "onnx",
        ".onnx model on ONNX Runtime",
        "ai_runner.drivers.onnx.driver:OnnxDriver",
        needs="ai-runner[onnx]",
    ),
    DriverEntry("bundle", "outputs kept in a result bundle", "ai_runner.drivers.bundle.driver:BundleDriver"),
)


def entries() -> tuple[DriverEntry, ...]:
    """Every known driver, built-ins first; a scheme of a built-in cannot be taken over by another package."""
    known = {entry.scheme: entry for entry in _BUILT_IN}
    for entry in _entry_points():
        known.setdefault(entry.scheme, entry)
    return tuple(known.values())


def is_valid_exec_domain(desc: str) -> bool:
    """True when `desc` carries, or implies, a scheme that some driver serves."""
    try:
        scheme = parse_descriptor(desc).scheme
    except InvalidParamError:
        return False
    return any(entry.scheme == scheme for entry in entries())


def driver_class(scheme: str) -> type[Driver]:
    """Imports and returns the class that serves `scheme`.

    Raises:
        InvalidParamError: nobody serves it; the hint lists the known schemes.
        MissingRuntimeError: it is known but not served by this version, or its package does not import.
    """
    entry = next((e for e in _BUILT_IN if e.scheme == scheme), None)
    entry = entry or next((e for e in entries() if e.scheme == scheme), None)
    if entry is None:
        known = ", ".join(sorted(e.scheme for e in entries()))
        raise InvalidParamError(
            f"unknown scheme {scheme!r}", hint=f"known schemes: {known}; a path may be written file:PATH"
        )
    if not entry.location:
        raise MissingRuntimeError(
            f"{scheme}: is understood, but this version of ai-runner has no driver for it ({entry.summary})",
            hint="`ai-runner drivers` lists what can be used; another package may add a driver (docs/drivers.md)",
        )
    module, _, name = entry.location.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise MissingRuntimeError(
            f"{scheme}: the driver {entry.location} of {entry.origin} cannot be loaded: {error}",
            hint=f"install what it needs: {entry.needs}" if entry.needs else f"reinstall {entry.origin}",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise MissingRuntimeError(f"{scheme}: {entry.location} of {entry.origin} is not a subclass of Driver")
    return found


def create_driver(descriptor: Descriptor, **keywords: Any) -> Driver:
    """The driver of `descriptor`, constructed and not yet open.

    `isolate=process` puts a driver that can be isolated into a child process. ``replay:FILE`` is the driver that was
    recorded, on the recording.

    Raises:
        InvalidParamError: unknown scheme, option or argument.
        MissingRuntimeError: the driver cannot be loaded.
    """
    if descriptor.scheme == "replay":
        return _replaying_driver(descriptor, keywords)
    cls = driver_class(descriptor.scheme)
    if "wrap" in keywords and "wrap" not in cls.KEYWORDS:
        raise InvalidParamError(
            f"{descriptor}: has no wire that could be recorded", hint="record a serial: or socket: descriptor"
        )
    if cls.ISOLATABLE and descriptor.choice("isolate", ("none", "process"), "none") == "process":
        from ai_runner.isolation import IsolatedDriver

        return IsolatedDriver(cls, descriptor, **keywords)
    return cls(descriptor, **keywords)


def _replaying_driver(descriptor: Descriptor, keywords: dict[str, Any]) -> Driver:
    from ai_runner.transport.cassette import CassetteError
    from ai_runner.transport.player import Player
    from ai_runner.transport.wire import WireDriver

    if set(descriptor.options) - {"speed"} or {"transport", "wrap"} & keywords.keys():
        raise InvalidParamError(
            f"{descriptor}: a recording takes no option but speed, and is not recorded again",
            hint="replay:FILE or replay:FILE?speed=recorded",
        )
    at_recorded_speed = descriptor.choice("speed", ("once", "recorded"), "once") == "recorded"
    cassette = _recording(descriptor)
    recorded = parse_descriptor(cassette.descriptor)
    cls = None if recorded.scheme == "replay" else driver_class(recorded.scheme)
    if cls is None or not issubclass(cls, WireDriver):
        raise CassetteError(f"{descriptor}: was recorded from {recorded}, which has no wire")
    player = Player(cls.recorded_peer(cassette.pieces), cassette.line, at_recorded_speed, cassette.lost)
    return cls(replace(recorded, text=str(descriptor)), transport=player, **keywords)


def _recording(descriptor: Descriptor) -> Cassette:
    """The cassette of a descriptor, whose path may be percent-encoded where it holds what ends a path there."""
    from urllib.parse import unquote

    from ai_runner.transport.cassette import CassetteError, read_cassette

    path = descriptor.address
    if not path:
        raise InvalidParamError(f"{descriptor} names no recording", hint="replay:FILE; ai-runner record writes one")
    try:
        return read_cassette(path)
    except CassetteError:
        if unquote(path) == path:
            raise
        return read_cassette(unquote(path))


def _entry_points() -> Iterator[DriverEntry]:
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINT_GROUP):
        origin = point.dist.name if point.dist is not None else "an unnamed package"
        yield DriverEntry(point.name.lower(), f"from {origin}", point.value, origin)
