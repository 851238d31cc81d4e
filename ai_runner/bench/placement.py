"""Where a model lies in this process's memory, left to chance.

The loader and the allocator put what is opened first, or second, at the same addresses again and again. What that does
to caches and branch predictors is worth some per cent in single layers, and is no property of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from mmap import PAGESIZE, mmap

import numpy as np

_MOST_PAGES = 32
_PIECES = 16


@contextmanager
def placed_by_chance(random: np.random.Generator) -> Iterator[None]:
    """Moves what is mapped or allocated in this context by a number of pages and bytes that is drawn."""
    pieces = [bytearray(int(size)) for size in random.integers(16, PAGESIZE, _PIECES)]
    with ExitStack() as stack:
        for pages in random.integers(1, _MOST_PAGES, _PIECES):
            stack.enter_context(mmap(-1, PAGESIZE * int(pages)))
        yield
    pieces.clear()
