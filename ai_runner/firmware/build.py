"""From .tflite files to a folder with the sources of a firmware and, compiled from them, its binary."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ai_runner.c_model.c_text import check_c_name
from ai_runner.c_model.generator import write_files
from ai_runner.c_model.network import Network, build_network
from ai_runner.c_model.output_folder import OutputKind, staged
from ai_runner.errors import InvalidParamError
from ai_runner.firmware.image import DIALECTS, LARGE_PACKET_MAX, image_files, model_files
from ai_runner.firmware.toolchain import PORTS, Port
from ai_runner.tflite_model import TfliteModel

FIRMWARE = OutputKind("firmware.json", "ai-runner/firmware/1")

_NAME_MAX = 63  # of a model in a message


@dataclass(frozen=True)
class FirmwareBuild:
    """What `build_firmware` wrote.

    Attributes:
        folder: the output folder, for `start_firmware`.
        binary: the program, or the ELF file of the board.
        models: names, in the order in which the firmware lists them.
        arena_bytes: the memory that the models share.
        weights_bytes: constants of all models.
    """

    folder: Path
    binary: Path
    port: str
    dialect: str
    models: tuple[str, ...]
    arena_bytes: int
    weights_bytes: int


def named_models(arguments: Sequence[str]) -> dict[str, Path]:
    """``FILE.tflite`` and ``NAME=FILE.tflite`` as names and files; without a name it is the stem of the file.

    Raises:
        InvalidParamError: two models of one name, no file, or a name that is no C identifier of at most 63 characters.
    """
    models: dict[str, Path] = {}
    for argument in arguments:
        name, equals, file = argument.partition("=")
        if equals and not file:
            raise InvalidParamError(f"model {argument}: names no file", hint="--model NAME=FILE.tflite")
        path = Path(file if equals else argument)
        name = name if equals else path.stem
        _check_name(name, argument)
        if name.lower() in {other.lower() for other in models}:
            raise InvalidParamError(f"two models are called {name!r}", hint="tell them apart: --model NAME=FILE")
        models[name] = path
    return models


def build_firmware(
    models: Mapping[str, str | Path],
    out_dir: str | Path,
    *,
    port: str = "host",
    dialect: str = "v3.1-2b",
    large_packet: int = 0,
    cc: str | None = None,
    cflags: str | None = None,
) -> FirmwareBuild:
    """Writes the sources of a firmware with these models, and compiles it.

    Every model answers bit for bit like LiteRT's reference kernels. An earlier output in `out_dir` is replaced; after
    an error the folder is as it was.

    Args:
        models: c-names (at most 63 characters) and .tflite files, at least one.
        port: "host" or "stm32f405".
        dialect: "v3.1-2b", "v3.1-1b" or "v2.1".
        large_packet: payload in bytes of the packets after CMD_SYS_INFO, 33 to 4094; 0 stays at 32. v3.1-2b only.
        cc, cflags: compiler and flags; default $CC and $CFLAGS on the host, else those of the port.

    Raises:
        InvalidParamError: no model, no such file, a bad name, port or dialect, or a folder that cannot be written to.
        InvalidModelError: not a TFLite file, a broken one, or an operator that is not supported.
        MissingRuntimeError: there is no compiler for the port.
        HwIOError: the compiler failed, for instance because the models do not fit into the board's memory.
    """
    _check_choices(models, port, dialect, large_packet)
    target = PORTS[port]
    compiler = target.find_compiler(cc)
    networks = {name: build_network(TfliteModel.read(path)) for name, path in models.items()}
    sources = _sources(networks, target, dialect, large_packet)
    folder = Path(out_dir)
    with staged(folder, _description(networks, target, dialect, large_packet), FIRMWARE) as stage:
        write_files(stage, sources)
        target.link(stage, [file for file in sources if file.endswith(".c")], ("src", "models"), compiler, cflags)
    return FirmwareBuild(
        folder=folder,
        binary=folder / target.binary,
        port=port,
        dialect=dialect,
        models=tuple(networks),
        arena_bytes=max(network.arena_bytes for network in networks.values()),
        weights_bytes=sum(network.weights_bytes for network in networks.values()),
    )


def _check_choices(models: Mapping[str, str | Path], port: str, dialect: str, large_packet: int) -> None:
    if not models:
        raise InvalidParamError("a firmware needs a model", hint="--model MODEL.tflite, once for each model")
    for name in models:
        _check_name(name, name)
    for what, value, known in (("port", port, PORTS), ("dialect", dialect, DIALECTS)):
        if value not in known:
            raise InvalidParamError(f"{what} {value!r} is unknown", hint=f"use one of {', '.join(known)}")
    if large_packet and not DIALECTS[dialect].has_large_packets:
        raise InvalidParamError(f"dialect {dialect} has no large packets", hint="they came with v3.1-2b")
    if large_packet and not 32 < large_packet <= LARGE_PACKET_MAX:
        raise InvalidParamError(
            f"large packets of {large_packet} bytes are not possible", hint=f"33 to {LARGE_PACKET_MAX} bytes"
        )


def _check_name(name: str, argument: str) -> None:
    try:
        check_c_name(name)
    except InvalidParamError as error:
        raise InvalidParamError(
            f"model {argument}: {error.message}", hint="name it: --model NAME=FILE, with letters, digits, underscores"
        ) from error
    if len(name) > _NAME_MAX:
        raise InvalidParamError(
            f"model {argument}: name {name!r} is longer than {_NAME_MAX} characters", hint="--model NAME=FILE"
        )


def _sources(networks: Mapping[str, Network], port: Port, dialect: str, large_packet: int) -> dict[str, str]:
    """All sources by their name in the output folder: the firmware's in src/, the models' in models/."""
    chosen = DIALECTS[dialect]
    sources = {f"models/{file}": text for file, text in model_files(networks).items()}
    root = files("ai_runner.firmware_proto").joinpath("firmware")
    for folder in ("", chosen.family, f"ports/{port.name}"):
        place = root.joinpath(*folder.split("/")) if folder else root
        prefix = f"src/{folder}/" if folder else "src/"
        sources |= {prefix + file: text for file, text in _texts(place).items()}
    fingerprint = hashlib.sha256("\0".join(f"{file}\0{text}" for file, text in sources.items()).encode()).digest()
    own = image_files(networks, chosen, large_packet, fingerprint)
    return sources | {f"src/{file}": text for file, text in own.items()}


def _texts(folder: Traversable) -> dict[str, str]:
    suffixes = (".c", ".h", ".ld")
    found = sorted((item for item in folder.iterdir() if item.name.endswith(suffixes)), key=lambda item: item.name)
    return {item.name: item.read_text(encoding="utf-8") for item in found}


def _description(networks: Mapping[str, Network], port: Port, dialect: str, large_packet: int) -> dict[str, Any]:
    return {
        "port": port.name,
        "dialect": dialect,
        "large_packet": large_packet,
        "binary": port.binary,
        "models": [
            {
                "name": name,
                "model": Path(network.model.path).name,
                "md5": network.model.md5,
                "sha256": network.model.sha256,
                "arena_bytes": network.arena_bytes,
                "weights_bytes": network.weights_bytes,
                "macc": network.macc,
                "n_nodes": len(network.nodes),
            }
            for name, network in networks.items()
        ],
    }
