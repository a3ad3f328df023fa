"""The arithmetic: what one voxel of a coarser level is made of, by every method."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
