"""Pictures to features: ours beside the official client's function, in turn in one run, in equal values.

    python benchmarks/image_features.py [--rounds N]

Needs edge-impulse-linux and OpenCV. Exits with 1 when the median ratio at 320x320 -> 320x320 is below its limit.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ai_runner.edge_impulse.area_resize import area_resize
from ai_runner.edge_impulse.image import get_features_from_image_with_studio_mode

LIMIT = 10.0
LIMITED = ((320, 320), (320, 320))
CASES = [
    LIMITED,
    ((320, 320), (96, 96)),
    ((640, 480), (320, 320)),
    ((1920, 1080), (96, 96)),
    ((1920, 1080), (320, 320)),
]


def official_image_module() -> Any:
    """`edge_impulse_linux.image`, with empty modules for what it imports beside it."""
    moves = ModuleType("six.moves")
    moves.queue = queue  # type: ignore[attr-defined]
    for name, stand_in in {"pyaudio": ModuleType("pyaudio"), "six": ModuleType("six"), "six.moves": moves}.items():
        sys.modules.setdefault(name, stand_in)
    from edge_impulse_linux import image

    return image


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def measure(rounds: int, official: Callable[[], object], ours: Callable[[], object]) -> tuple[float, float, float]:
    """Medians in ms, and of the ratios of neighbours; the first round fills caches and is dropped."""
    pairs = []
    for k in range(rounds + 1):
        if k % 2:
            theirs, own = milliseconds(official), milliseconds(ours)
        else:
            own, theirs = milliseconds(ours), milliseconds(official)
        pairs.append((theirs, own))
    pairs = pairs[1:]
    theirs, own = (statistics.median(column) for column in zip(*pairs, strict=True))
    return theirs, own, statistics.median(a / b for a, b in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="rounds of each case (default: %(default)s)")
    rounds = parser.parse_args().rounds
    try:
        image = official_image_module()
    except (ImportError, SystemExit):
        print("not measured: needs edge-impulse-linux==1.2.2 and opencv-python-headless")
        return 1
    failed = False
    print("RGB, fit-shortest         official       ours     ratio   area resize: OpenCV      numpy")
    for picture_size, size in CASES:
        picture = np.random.default_rng(0).integers(0, 256, (*picture_size[::-1], 3), dtype=np.uint8)
        arguments = (picture, "fit-shortest", *size, False)
        expected, _ = image.get_features_from_image_with_studio_mode(*arguments)
        features, _ = get_features_from_image_with_studio_mode(*arguments)
        np.testing.assert_array_equal(features, expected)
        theirs, own, ratio = measure(
            rounds,
            lambda a=arguments: image.get_features_from_image_with_studio_mode(*a),
            lambda a=arguments: get_features_from_image_with_studio_mode(*a),
        )
        opencv, numpy, _ = measure(
            rounds // 4 + 1,
            lambda p=picture, s=size: image.resize_image(p, s),
            lambda p=picture, s=size: area_resize(p, s),
        )
        name = "{}x{} -> {}x{}".format(*picture_size, *size)
        print(f"{name:22s} {theirs:8.2f} ms {own:7.2f} ms {ratio:7.1f} x {opencv:20.2f} ms {numpy:7.2f} ms")
        failed |= (picture_size, size) == LIMITED and ratio < LIMIT
    print(f"limit at 320x320 -> 320x320: {LIMIT:g} x; medians of {rounds} rounds, host")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
