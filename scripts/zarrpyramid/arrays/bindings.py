"""The compiled modules of numcodecs, without the package around them.

The package imports what reads the metadata of packages, and looks through all that are installed
for codecs of others: 40 ms of CPU of every process that decodes a chunk.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_PACKAGE = "numcodecs"


class _Finder:
    """Finds the package when anybody imports it, and gives it its modules that are loaded."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Return the package's specification, once."""
        if name != _PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _with_modules(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _with_modules(execute: Any) -> Any:
    """Return what executes a package that has its loaded modules as attributes."""

    def exec_module(package: ModuleType) -> None:
        for name, module in [*sys.modules.items()]:
            parent, _, own = name.rpartition(".")
            if parent == _PACKAGE:
                setattr(package, own, module)
        execute(package)

    return exec_module


def _load(*names: str) -> list[Any]:
    """Return some modules of numcodecs."""
    paths = [f"{_PACKAGE}.{name}" for name in names]
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None:
        return [*map(import_module, paths)]
    package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
    package.__path__ = spec.submodule_search_locations or []
    try:
        found = [*map(import_module, paths)]
    finally:
        del sys.modules[_PACKAGE]
    sys.meta_path.insert(0, _Finder())
    return found


blosc, lz4, zstd, checksum32 = _load("blosc", "lz4", "zstd", "checksum32")
