"""The rules of the versions that documents state."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import ZARR_FORMATS, ome_attributes, rules_of, stated_version

from .findings import NOTE, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.metadata import Document

_VERSION = 'It SHOULD contain the field "version", which indicates the version of the multiscale '
_VERSION += "metadata of this image"
_OME_VERSION = "The version of the OME-Zarr Metadata is denoted as a string in the `version` "
_OME_VERSION += "attribute within the `ome` namespace"
_FORMATS = {
    2: "Arrays MUST be defined and stored [...] as defined by the version 2 of the Zarr "
    "specification",
    3: "OME-Zarr is implemented using the Zarr format as defined by the version 3 of the Zarr "
    "specification",
}


def version_of(attributes: Document, zarr_format: int, key: str = "multiscales") -> str:
    """Return the version that is stated for what a group holds under a key, else what it implies.

    Where it holds nothing there: an empty text.
    """
    if key not in ome_attributes(attributes, key):
        return ""
    stated = stated_version(attributes, key)
    return (rules_of(attributes, zarr_format, key) or "") if stated is None else str(stated)


def check_version(
    attributes: Document, zarr_format: int, key: str = "multiscales"
) -> Iterator[Finding]:
    """Yield what is wrong with the version of what a group holds under a key."""
    holder = ome_attributes(attributes, key)
    if key not in holder:
        return
    stated, rules = stated_version(attributes, key), rules_of(attributes, zarr_format, key)
    version = version_of(attributes, zarr_format, key)
    if stated is not None and not isinstance(stated, str):
        yield Finding(what="version is no text", found=repr(stated)[:80], rule=_VERSION)
        return
    if rules not in ZARR_FORMATS:
        is_older = rules is not None and _is_of_later(holder[key])
        if is_older or not re.fullmatch(r"\d+\.\d+.*", version):
            what = "is older than what it holds" if is_older else "is no version of OME-NGFF"
            yield Finding(what=f"version {version[:80]!r} {what}", rule=_VERSION)
        else:
            yield Finding(
                what=f"OME-NGFF {version[:80]} is not one whose rules are known here",
                grade=NOTE if rules else WARNING,
                expected=" or ".join(ZARR_FORMATS),
                # Of an unknown version nothing tells where levels lie.
                way_out="" if rules else "a run refuses it: use a release that knows the version",
            )
        return
    if version != rules:
        what = f"version {version[:80]!r} is none that is released, and is read as {rules}"
        yield Finding(what=what, grade=WARNING)
    if (format_of := ZARR_FORMATS[rules]) != zarr_format:
        what = f"OME-NGFF {rules} is of zarr v{format_of}"
        found = f"a group of zarr v{zarr_format}"
        yield Finding(what=what, found=found, rule=_FORMATS[format_of])
    if holder is not attributes and holder.get("version") is None:
        yield Finding(what="ome has no version", rule=_OME_VERSION)


def _is_of_later(multiscales: Any) -> bool:
    """Tell whether multiscales say what versions before 0.4 did not have: axes with types."""
    listed = multiscales if isinstance(multiscales, list) else []
    axes = [each.get("axes") for each in listed if isinstance(each, dict)]
    return any(isinstance(axis, dict) for each in axes if isinstance(each, list) for axis in each)
