"""A level 0 beside its group, as that of a companion is: no path of OME-NGFF leads out of a group.

The group's list begins with level 1. What it would say of level 0 stands in an attribute. Those who
read the group's attributes see one list of all levels, and those who change it write both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .listing import with_first_list
from .multiscales import BASE_PATH_KEY, dataset_path, datasets_of, read_multiscales
from .paths import ABOVE, is_inside

if TYPE_CHECKING:
    Document = dict[str, Any]

OUTER_BASE_KEY = "zarrpyramid_level_0"
"""The group's attribute that holds the dataset of a level 0 in the group above."""


def outer_base(attributes: Document) -> str | None:
    """Return the path of a level 0 beside its group, such as ``../0``; None for one inside."""
    entry = attributes.get(OUTER_BASE_KEY)
    path = entry.get("path") if isinstance(entry, dict) else None
    is_above = isinstance(path, str) and path.startswith(ABOVE) and is_inside(path[len(ABOVE) :])
    return path if is_above else None


def is_reached(attributes: Document, path: str) -> bool:
    """Tell whether a path leads to an array in the group, or to a level 0 that stands beside it."""
    return is_inside(path) or path == outer_base(attributes)


def with_outer_base(stored: Document) -> Document:
    """Return a group's attributes with level 0 in the list, wherever it stands.

    >>> stored = {"zarrpyramid_level_0": {"path": "../0"}, "multiscales": [{"datasets": []}]}
    >>> with_outer_base(stored)["multiscales"]
    [{'datasets': [{'path': '../0'}]}]
    """
    path = outer_base(stored)
    if path is None:
        return stored
    listed = read_multiscales(stored)
    if listed is None:
        return {**stored, BASE_PATH_KEY: path}
    datasets = [stored[OUTER_BASE_KEY], *datasets_of(listed)]
    return with_first_list(stored, {**listed, "datasets": datasets})


def without_outer_base(attributes: Document) -> Document:
    """Return what is stored of attributes as `with_outer_base` returns them."""
    path = outer_base(attributes)
    if path is None:
        return attributes
    listed = read_multiscales(attributes)
    if listed is None:
        return {key: item for key, item in attributes.items() if key != BASE_PATH_KEY}
    found = [each for each in datasets_of(listed) if dataset_path(each) == path]
    datasets = [each for each in datasets_of(listed) if dataset_path(each) != path]
    entry = found[0] if found else attributes[OUTER_BASE_KEY]
    stored = with_first_list(attributes, {**listed, "datasets": datasets})
    return {**stored, OUTER_BASE_KEY: entry}
