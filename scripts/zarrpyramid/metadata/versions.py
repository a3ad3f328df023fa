"""Versions of OME-NGFF: how a group states its own, and by which rules its documents are read.

A version is read by its first two numbers. What follows them (``0.6.dev4``, ``0.6rc0``,
``0.5-dev-spatialdata``) says whose it is, and stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .multiscales import has_systems, read_multiscales

if TYPE_CHECKING:
    Document = dict[str, Any]

ZARR_FORMATS = {"0.4": 2, "0.5": 3, "0.6": 3}
"""The versions that are written, and the zarr format of each."""

_RULES = re.compile(r"(0\.[1-6])(?!\d)")


def stated_version(attributes: Document, key: str = "multiscales") -> Any:
    """Return what a group states as the version of what stands under a key; None for nothing.

    Up to 0.4 the multiscales, plate or well states it, from 0.5 on `ome`.
    """
    ome = attributes.get("ome")
    is_new = isinstance(ome, dict) and (key in ome or key not in attributes)
    holder = ome if is_new and isinstance(ome, dict) else attributes
    found = holder.get(key)
    first = found[0] if isinstance(found, list) and found else found
    own = first.get("version") if isinstance(first, dict) else None
    return holder.get("version", own) if is_new else own


def rules_of(attributes: Document, zarr_format: int, key: str = "multiscales") -> str | None:
    """Return the version by whose rules what stands under a key is read; None for one unknown.

    One that states none is of the version that its zarr format and its keys belong to.

    >>> rules_of({"ome": {"version": "0.6.dev4", "multiscales": [{}]}}, 3)
    '0.6'
    >>> rules_of({"ome": {"version": "0.7", "multiscales": [{}]}}, 3)
    """
    stated = stated_version(attributes, key)
    if stated is None:
        if has_systems(read_multiscales(attributes) or {}):
            return "0.6"
        return "0.4" if zarr_format == 2 else "0.5"
    found = _RULES.match(str(stated))
    return found[1] if found else None


def version_written(attributes: Document, zarr_format: int, wanted: str = "same") -> str:
    """Return the version that a group states once its levels are listed.

    Parameters
    ----------
    wanted
        A key of `ZARR_FORMATS`, or ``same``: the group's own, or a newer one where that is older
        than 0.4 or does not belong to its zarr format; of a group that lists nothing, 0.4 in zarr
        v2 and 0.5 in v3.
    """
    if wanted != "same":
        return wanted
    stated, rules = stated_version(attributes), rules_of(attributes, zarr_format)
    fitting = "0.4" if zarr_format == 2 else "0.5"
    if stated is None:
        return "0.6" if rules == "0.6" and zarr_format == 3 else fitting
    is_plain = str(stated) == rules  # that of a program of its own stays
    belongs = ZARR_FORMATS.get(rules or "") == zarr_format
    return fitting if is_plain and not belongs else str(stated)
