"""Addresses that are drawn."""

from __future__ import annotations

import ctypes
from mmap import PAGESIZE, mmap

import numpy as np

from ai_runner.bench.placement import placed_by_chance


def address_of_a_mapping(random: np.random.Generator) -> int:
    with placed_by_chance(random), mmap(-1, 8 * PAGESIZE) as mapped:
        byte = ctypes.c_char.from_buffer(mapped)
        address = ctypes.addressof(byte)
        del byte
    return address


def test_what_is_mapped_lies_at_many_places() -> None:
    random = np.random.default_rng(1)
    assert len({address_of_a_mapping(random) for _ in range(50)}) > 10
