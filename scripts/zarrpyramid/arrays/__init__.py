"""Chunks and shards of one array: read and written, encoded and decoded."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
