"""What of a firmware depends on its models: the configuration, the table of models, their C sources."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ai_runner.c_model.generator import network_files
from ai_runner.c_model.network import Network
from ai_runner.errors import InvalidParamError

LARGE_PACKET_MAX = 4094  # com_param: the payload of a 4096-byte packet


@dataclass(frozen=True)
class Dialect:
    """A dialect that the firmware can be built for: its name in C, the folder of its commands, its packet headers."""

    c_name: str
    family: str
    header_bytes: int

    @property
    def has_large_packets(self) -> bool:
        """Whether a firmware may ask for them."""
        return self.header_bytes == 2


DIALECTS = {
    "v3.1-2b": Dialect("AIV_V31_2B", "v3", 2),
    "v3.1-1b": Dialect("AIV_V31_1B", "v3", 1),
    "v2.1": Dialect("AIV_V21", "v2", 1),
}


def model_files(networks: Mapping[str, Network]) -> dict[str, str]:
    """The C sources of all models, what they share once.

    Raises:
        InvalidParamError: two models would have files of the same name.
    """
    files: dict[str, str] = {}
    for name, network in networks.items():
        own = network_files(network, name)
        taken = {file.lower(): file for file in files}
        for file, text in own.items():
            if files.get(taken.get(file.lower(), file), text) != text:
                raise InvalidParamError(
                    f"model {name!r} and an earlier one would both need a file {file}",
                    hint="choose another name: --model NAME=FILE",
                )
        files |= own
    return files


def image_files(
    networks: Mapping[str, Network], dialect: Dialect, large_packet: int, fingerprint: bytes
) -> dict[str, str]:
    """`image_config.h` and `image.c`; `fingerprint` stands for all other sources in the hash of the image."""
    config = f"""\
#define AIV_DIALECT {dialect.c_name}
#define AIV_LARGE_PACKET {large_packet}
#define AIV_ARENA_BYTES {max(1, *(network.arena_bytes for network in networks.values()))}u
#define AIV_MAX_INPUTS {max(1, *(len(network.inputs) for network in networks.values()))}
#define AIV_MAX_OUTPUTS {max(1, *(len(network.outputs) for network in networks.values()))}
"""
    image_hash = hashlib.sha256(fingerprint + config.encode()).hexdigest()[:8]
    # By their place, because a model may be called like a header of the firmware.
    includes = "\n".join(f'#include "../models/{name}.h"' for name in networks)
    table = "\n".join(f"    &{name}_network," for name in networks)
    return {
        "image_config.h": f"""\
/* The choices of this image. */
#ifndef AIV_IMAGE_CONFIG_H
#define AIV_IMAGE_CONFIG_H

{config}#define AIV_BUILD_HASH "{image_hash}"

#endif
""",
        "image.c": f"""\
/* The models of this image. */
#include "image.h"

{includes}

const cm_network *const aiv_networks[] = {{
{table}
}};
const uint32_t aiv_n_networks = sizeof aiv_networks / sizeof aiv_networks[0];
""",
    }
