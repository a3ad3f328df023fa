"""Image pyramids for zarr arrays, exact to the bit.

A package imports only those below it. From the top down:

- ``cli``, ``pyramid_sampler``: the command line, and the interface of pyramid-sampler
- ``yt``: datasets of yt, by its `load_pyramid`, `sample_fields` and `write_viewer_field`
- ``pyramids``: a pyramid as an object of Python, by `build_pyramid` and `open_pyramid`
- ``report``: tables, pages and viewers
- ``verify``: proof and repair of a pyramid
- ``downsample``: how levels are made and published
- ``plan``: what will be made, worked out before a voxel is read
- ``arrays``: the chunks of one array
- ``config``: every setting, declared once
- ``metadata``: documents of arrays and groups, and the records that prove a level
- ``stores``: bytes by key, in folders and object stores
- ``reduce``: what a coarser voxel is

Importing this package imports no array library; each name below brings what it needs when it is
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "VOXEL_REVISION",
    "Downsampler",
    "Level",
    "Pyramid",
    "PyramidError",
    "__version__",
    "build_pyramid",
    "initialize_test_image",
    "open_pyramid",
]

_HOMES = {
    "Downsampler": "pyramid_sampler",
    "Level": "pyramids",
    "Pyramid": "pyramids",
    "PyramidError": "errors",
    "VOXEL_REVISION": "plan.levels",
    "build_pyramid": "pyramids",
    "initialize_test_image": "pyramid_sampler",
    "open_pyramid": "pyramids",
}

if TYPE_CHECKING:
    from .errors import PyramidError
    from .plan.levels import VOXEL_REVISION
    from .pyramid_sampler import Downsampler, initialize_test_image
    from .pyramids import Level, Pyramid, build_pyramid, open_pyramid
else:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
