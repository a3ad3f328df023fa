"""The version of OME-NGFF in which levels are listed, and what of a group could not be kept in it.

What a group says of level 0 is read by the rules of its version, and written back in the same one.
What can be neither read nor kept is refused here, before anything is written.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from zarrpyramid.config import group_path
from zarrpyramid.errors import ConfigError, MetadataError, StoreError
from zarrpyramid.metadata import (
    ZARR_FORMATS,
    all_multiscales,
    base_path,
    first_dataset,
    groups_above,
    join,
    lost_by_respelling,
    our_metadata,
    read_multiscales,
    read_node,
    rules_of,
    stated_version,
    unread,
    unread_outer,
    version_written,
)

from .decision import Decision

if TYPE_CHECKING:
    from typing import Any

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store


def decide_version(
    image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]
) -> Decision[str]:
    """Return the version of OME-NGFF in which the levels of an image are listed.

    Parameters
    ----------
    base, attributes
        As in `plan_image`.

    Raises
    ------
    ConfigError
        If a version is asked for that is of another zarr format, or has no room for what the group
        says; or if the group's own version is unknown, or places level 0 by what is no scale and
        translation.
    """
    wanted = image.ngff_version
    if wanted != "same" and ZARR_FORMATS[wanted] != base.zarr_format:
        fitting = [version for version, form in ZARR_FORMATS.items() if form == base.zarr_format]
        raise ConfigError(
            f"image {image.name}: ngff_version {wanted} is of zarr v{ZARR_FORMATS[wanted]}, level "
            f"0 is of v{base.zarr_format}; give ngff_version: {' or '.join(fitting)}, or leave it "
            "out"
        )
    if image.zarr_conventions and base.zarr_format == 2:
        raise ConfigError(
            f"image {image.name}: zarr_conventions is for zarr v3, level 0 is of v2, where the "
            "list of OME-NGFF has the name of the convention; leave zarr_conventions out"
        )
    _check_readable(image, base, attributes)
    _check_room(image, attributes)
    value = version_written(attributes, base.zarr_format, wanted)
    if wanted != "same":
        return Decision(key="ngff_version", value=value, given=True)
    stated = stated_version(attributes)
    why = f"what viewers read in zarr v{base.zarr_format}"
    if stated is not None and str(stated) == value:
        why = "level 0's group has it"
        why = "the list that zarrpyramid wrote has it" if our_metadata(attributes) else why
    elif stated is not None:
        why = f"level 0's group has {stated}, {why}"
    return Decision(key="ngff_version", value=value, why=why)


def _check_readable(image: ImageConfig, base: ArrayMetadata, attributes: dict[str, Any]) -> None:
    """Refuse a group whose words on level 0 are not understood."""
    group = image.source or group_path(image.store, image.field)
    array = f"{group}/{base_path(attributes) or '0'}"
    way_out = (
        "or take the array alone into a store of its own: give it as source, with axes, voxel_size "
        f"and unit (source: {array})"
    )
    if rules_of(attributes, base.zarr_format) is None:
        raise ConfigError(
            f"image {image.name}: {group} is of OME-NGFF {str(stated_version(attributes))[:40]!r}, "
            "expected one of 0.1 to 0.6, so that what it says of level 0 cannot be read; build it "
            f"by a release that knows the version, {way_out}"
        )
    n_axes = len(base.shape)
    multiscales = read_multiscales(attributes) or {}
    step = unread(first_dataset(multiscales), n_axes) or unread_outer(multiscales, n_axes)
    if step:
        raise ConfigError(
            f"image {image.name}: {group} places level 0 by {step}, expected a scale and a "
            f"translation of {n_axes} numbers; fix its multiscales, {way_out}"
        )


def _check_room(image: ImageConfig, attributes: dict[str, Any]) -> None:
    """Refuse a version that has no room for what the group says of its coordinate systems."""
    wanted = image.ngff_version
    for multiscales in all_multiscales(attributes) if wanted != "same" else ():
        lost = lost_by_respelling(multiscales, systems=wanted == "0.6")
        if lost:
            raise ConfigError(
                f"image {image.name}: from {stated_version(attributes)} to ngff_version {wanted} "
                f"there is no room for {', '.join(lost)}; leave ngff_version out"
            )


def check_around(image: ImageConfig, store: Store, path: str) -> None:
    """Refuse a version that is asked for beside groups of another one.

    NGFF 0.5: The OME-Zarr Metadata version MUST be consistent within a hierarchy.

    Parameters
    ----------
    path
        Of the image's group in the store.
    """
    wanted = image.ngff_version
    if wanted == "same":
        return
    for place in (*groups_above(path), join(path, "labels")):
        node = None
        with suppress(MetadataError, StoreError):  # what is damaged there is not in the way here
            node = read_node(store, place)
        ome = None if node is None else node.attributes.get("ome")
        stated = ome.get("version") if isinstance(ome, dict) else None
        if stated not in (None, wanted):
            raise ConfigError(
                f"image {image.name}: ngff_version {wanted} is not that of the group "
                f"{join(store.name, place)}, which is of {str(stated)[:40]}; OME-NGFF wants one "
                "version in a hierarchy: leave ngff_version out"
            )
