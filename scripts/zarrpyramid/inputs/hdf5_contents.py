"""What is in an HDF5 file: its datasets, and the one that a place means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py

from zarrpyramid.errors import ConfigError, StoreError, nearest

if TYPE_CHECKING:
    from .image_input import Place

_MOST_SEEN, _MOST_LISTED = 20_000, 30
_LONGEST_NEXUS = 8
"""Groups that NeXus' `default` may lead through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A dataset: its path, and what it holds in a few words."""

    path: str
    words: str
    is_image: bool
    n_voxels: int = 0


def found_dataset(file: Any, place: Place) -> tuple[str, Any]:
    """Return the dataset that a place means, and its path.

    Without a path that is the one that NeXus' attributes `default` and `signal` lead to, or the
    only one with at least two axes. A group with the attribute `signal` stands for that dataset.

    Raises
    ------
    ConfigError
        If there is none at the path, or without a path several may be meant.
    StoreError
        If it is behind a link to what is not there, or holds no numbers.
    """
    inside = "/" + place.inside.strip("/")
    if place.series is not None:
        raise ConfigError(
            f"series is {place.series!r}, but datasets of {place.path} are named by their path: "
            f"give source: {place.path}::DATASET; there are {_listed(contents(file, ''))}"
        )
    node = _at(file, inside, place)
    if isinstance(node, h5py.Group):
        inside = _signal(node, inside) or _only(node, inside, place)
        node = file[inside]
    problem = why_no_image(node)
    if problem:
        raise StoreError(
            f"{place.path}::{inside} {problem}, expected numbers in at least one axis; there "
            f"are {_listed(contents(file, ''))}"
        )
    return inside, node


def why_no_image(dataset: Any) -> str:
    """Return why a dataset is no image, or "" if it may be one."""
    if dataset.shape is None or not dataset.ndim:
        return "is a single value"
    if dataset.dtype.kind not in "biufc":
        return f"holds {_kind(dataset)}"
    if not dataset.size:
        return f"has no voxel, its shape is {list(dataset.shape)}"
    return ""


def contents(group: Any, path: str) -> list[Found]:
    """Return the datasets below a group at a path, each once, links followed, in their order."""
    found: list[Found] = []
    seen: set[tuple[str, int]] = set()
    pending = [(group, path.rstrip("/"))]
    while pending and len(seen) < _MOST_SEEN:
        node, path = pending.pop()
        inner = []
        for name in node:
            child = node.get(name)
            if child is None:  # a link to what is not there
                continue
            # A file that a link leads to is opened anew each time, with another number.
            key = (child.file.filename, h5py.h5o.get_info(child.id).addr)
            if key in seen:
                continue
            seen.add(key)
            if isinstance(child, h5py.Group):
                inner.append((child, f"{path}/{name}"))
            elif isinstance(child, h5py.Dataset):
                found.append(_described(child, f"{path}/{name}"))
        pending += reversed(inner)
    return found


def _at(file: Any, inside: str, place: Place) -> Any:
    try:
        node = file.get(inside)
    except (KeyError, ValueError, OSError, RuntimeError):
        node = None
    if node is not None:
        return node
    broken = _broken_link(file, inside)
    if broken:
        raise StoreError(
            f"{place.name} is behind a link to {broken}, which is not there; put it back"
        )
    there = contents(file, "")
    hint = nearest(inside, [each.path for each in there])
    raise ConfigError(
        f"{place.path} has no dataset {inside}{hint}; there are {_listed(there)}; give one of them "
        f"as source: {place.path}::DATASET"
    )


def _broken_link(file: Any, inside: str) -> str:
    """Return what the first link of a path leads to that leads nowhere, or ""."""
    path = ""
    for name in inside.strip("/").split("/"):
        path = f"{path}/{name}"
        link = file.get(path, getlink=True)
        if isinstance(link, h5py.HardLink | None):
            if link is None:
                return ""
        elif file.get(path) is None:
            other = getattr(link, "filename", "")
            return f"{other}::{link.path}" if other else str(link.path)
    return ""


def _signal(group: Any, path: str) -> str:
    """Return the path of the dataset that NeXus' attributes lead to from a group, or ""."""
    for _ in range(_LONGEST_NEXUS):
        for key in ("signal", "default"):
            name = group.attrs.get(key)
            name = name.decode() if isinstance(name, bytes) else name
            node = group.get(name) if isinstance(name, str) else None
            there = f"{path.rstrip('/')}/{name}"
            if isinstance(node, h5py.Dataset) and node.ndim > 1:
                return there
            if isinstance(node, h5py.Group):
                group, path = node, there
                break
        else:
            return ""
    return ""


def _only(group: Any, path: str, place: Place) -> str:
    there = contents(group, path)
    images = [each for each in there if each.is_image]
    if len(images) == 1:
        return images[0].path
    if not images:
        raise ConfigError(
            f"{place.name} has no dataset of numbers with two axes or more; there are "
            f"{_listed(there)}"
        )
    largest = max(images, key=lambda image: image.n_voxels)
    raise ConfigError(
        f"{place.name} has {len(images)} datasets that may be meant: {_listed(images)}; give one "
        f"as source: {place.path}::{largest.path}"
    )


def _described(dataset: Any, path: str) -> Found:
    if dataset.shape is None:
        return Found(path=path, words="empty", is_image=False)
    is_image = not why_no_image(dataset) and dataset.ndim > 1
    kind = dataset.dtype.name if dataset.dtype.kind in "biufc" else _kind(dataset)
    words = f"{list(dataset.shape)} {kind}"
    return Found(path=path, words=words, is_image=is_image, n_voxels=dataset.size)


def _kind(dataset: Any) -> str:
    if dataset.dtype.names:
        return f"records of {', '.join(dataset.dtype.names)}"
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return "text"
    return "references" if dataset.dtype.kind == "O" else f"{dataset.dtype.name}"


def _listed(there: list[Found]) -> str:
    if not there:
        return "no datasets"
    listed = ", ".join(f"{each.path} {each.words}" for each in there[:_MOST_LISTED])
    more = len(there) - _MOST_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
