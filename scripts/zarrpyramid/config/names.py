"""Names of images, groups, fields and axes: made, and checked."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, suggestion
from zarrpyramid.stores import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_PERIODIC = re.compile(r"(.+?)\1{19}$")
"""End of a name that Snakemake takes for a rule that feeds itself."""

_LONGEST = 200
"""Characters of a name, which is a folder's; file systems take 255."""


def group_path(store: str, field: str) -> str:
    """Return the path of an image's group, for messages."""
    return f"{store}/{field}" if field else store


def split_group(path: str) -> tuple[str, str]:
    """Return the store and the field of a group's path: what ends with .zarr first is the store.

    >>> split_group("/data/brain.zarr/raw/488"), split_group("s3://bucket/images/raw")
    (('/data/brain.zarr', 'raw/488'), ('s3://bucket/images/raw', ''))
    """
    store, end, field = f"{path.rstrip('/')}/".partition(".zarr/")
    return (store + ".zarr", field.rstrip("/")) if end else (path, "")


def short_name(store: str, field: str, results: Path | None = None) -> str:
    """Name an image after its store's stem and its field.

    One that would be no folder's name, or that Snakemake would refuse, ends with digits of its own.

    >>> short_name("/data/brain.zarr", "raw/488")
    'brain-raw-488'
    """
    path = store.rstrip("/") if is_url(store) else str(Path(store).absolute())
    stem = Path(path).name
    stem = re.sub(r"(\.ome)?\.(zarr|zr)$", "", stem) or stem
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", f"{stem}/{field}").strip("-.") or "image"
    digits = place_digits(group_path(path, field))
    if _is_unusable(name):
        name = f"{name[:_LONGEST]}-{digits}"
    if results is not None:
        try:
            known = json.loads((results / name / "image.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return name
        if (known.get("store"), known.get("field")) != (path, field):
            return f"{name}-{digits}"
    return name


def path_name(path: str, before: str, container: str) -> str:
    """Name an image after its path in a container; one that is the container has its name.

    >>> path_name("B/03/0", "", "plate"), path_name("B/03/0", "plate", "plate")
    ('B.03.0', 'plate.B.03.0')
    """
    steps = [step for step in (before, *path.split("/")) if step]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", ".".join(steps)).strip("-.")
    if not name:
        return container
    return f"{name[:_LONGEST]}-{place_digits(path)}" if _is_unusable(name) else name


def place_digits(place: str) -> str:
    """Return a few digits that are a place's own."""
    return hashlib.sha256(place.encode()).hexdigest()[:6]


def checked_name(name: object) -> str:
    """Return the name of an image, which can be a folder's."""
    text = str(name)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        msg = f"images.{text}: a name may hold letters, digits, '_', '-' and '.'; rename the image"
        raise ConfigError(msg)
    if _is_unusable(text):
        msg = (
            f"images.{text[:40]}: a name has at most {_LONGEST} characters, and does not end with "
            "20 times the same; rename the image"
        )
        raise ConfigError(msg)
    return text


def _is_unusable(name: str) -> bool:
    return len(name) > _LONGEST or _PERIODIC.search(name) is not None


def checked_field(field: str, image: str, key: str = "field") -> str:
    """Return a field, or another path inside the store, as a tidy one."""
    parts = [part for part in field.split("/") if part]
    if field.startswith("/") or ".." in parts or "." in parts or "\\" in field:
        example = "s0" if key == "base_path" else "raw/488"
        msg = f"image {image}: {key} {field!r} must be a path inside the store, such as {example}"
        raise ConfigError(msg)
    return "/".join(parts)


def check_names(image: str, key: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check that a mapping by axis name names only axes that the image has.

    Raises
    ------
    ConfigError
        If it names another.
    """
    for name in values:
        if name not in names:
            msg = f"image {image}: {key} names axis {name!r}, axes are {list(names)}"
            is_near = len(name) > 1 or name.lower() in names
            raise ConfigError(msg + suggestion(name, names) if is_near else msg)
