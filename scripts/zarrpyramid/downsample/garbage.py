"""What is there before blocks run is not looked through for garbage while they run."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def unsearched() -> Iterator[None]:
    """Keep all objects that are there now from Python's search for garbage while a block runs.

    That search visits them over and over: 0.1 CPU s of a level of 512^3 where numba is loaded, and
    in copies of the process it copies the pages that are shared with them.
    """
    is_first = not gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if is_first:
            gc.unfreeze()
