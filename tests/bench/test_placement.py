"""Addresses that are drawn."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes
from mmap import PAGESIZE, mmap

import numpy as np

from ai_runner.bench.placement import placed_by_chance

random = np.random.default_rng(1)
addresses = set()
for _ in range(50):
    with placed_by_chance(random), mmap(-1, 8 * PAGESIZE) as mapped:
        byte = ctypes.c_char.from_buffer(mapped)
        addresses.add(ctypes.addressof(byte))
        del byte
print(len(addresses))
"""


def test_what_is_mapped_lies_at_many_places() -> None:
    """In a process of its own: after thousands of tests there are gaps that take whatever is mapped."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert int(result.stdout) > 10
