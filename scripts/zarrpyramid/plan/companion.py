"""The companions of an image: pyramids of the same level 0 by other methods, each an image too.

A companion's group stands in the image's group and is called by its method. Its level 0 is that of
the image, beside the group, and all else of it follows from the plan of the image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    ABOVE,
    OUTER_BASE_KEY,
    LevelPaths,
    join,
    outer_base,
    reach,
    read_array,
    read_node,
    with_levels,
)
from zarrpyramid.reduce import METHODS

from .levels import plan_image, provenance
from .remainders import EACH
from .stored import record_of

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import Record

    from .image import Image
    from .levels import ImagePlan


def companions(image: Image) -> list[Image]:
    """Return the companions that the configuration of an image asks for.

    Raises
    ------
    PyramidError
        If one cannot be, or something else stands in its place.
    """
    return [companion_of(image, method) for method in image.plan.asked.also or ()]


def companion_name(name: str, method: str) -> str:
    """Return the name of an image's companion.

    >>> companion_name("brain-raw", "max")
    'brain-raw-max'
    """
    return f"{name}-{method}"


def companion_of(image: Image, method: str) -> Image:
    """Return the companion of an image by a method.

    Raises
    ------
    PyramidError
        If it cannot be, or something else stands in its place.
    """
    plan, path = image.plan, join(image.path, method)
    _check(image, method)
    config = _config(plan, method)
    paths = LevelPaths(base=ABOVE + image.paths.base)
    listed = _listing(plan, paths.base, config.name)
    try:
        planned = plan_image(config, plan.base, listed, path)
    except ConfigError as error:
        reason = str(error).removeprefix(f"image {config.name}: ")
        raise ConfigError(f"{_also(image, method)}: {reason}") from error
    return replace(image, path=path, plan=planned, paths=paths, source=None)


def first_attributes(image: Image) -> dict[str, Any]:
    """Return what the group of a companion says before it has a level: where its level 0 is."""
    plan, base = image.plan, image.paths.base
    listed = _listing(plan, base, plan.image.name) if plan.lists_levels else {}
    return {OUTER_BASE_KEY: {"path": base}, **listed}


def seen_fingerprint(image: Image) -> str | None:
    """Return the fingerprint of level 0 by level 1 of the image of a companion, None without one.

    A companion of `also` is made and looked at only when level 1 of its image is current.
    """
    paths = LevelPaths(base=image.paths.base.removeprefix(ABOVE))
    record = record_of(read_array(image.store, reach(image.path, ABOVE + paths.path(1)))) or {}
    found: Record = record.get("source", {})
    return found.get("fingerprint")


def _also(image: Image, method: str) -> str:
    return f"image {image.plan.asked.name}: also {method}"


def _check(image: Image, method: str) -> None:
    """See that an image can have a companion by a method, and that its group is free.

    Raises
    ------
    PyramidError
        If it cannot, or another group stands there.
    """
    plan, also = image.plan, _also(image, method)
    if image.is_companion:
        raise ConfigError(
            f"{also}: {plan.where} is a companion itself, and has none; leave also out, or give it "
            "to the image above"
        )
    if plan.image.labels:
        raise ConfigError(f"{also}: level 0 holds labels, which have no companions; leave also out")
    if method == plan.image.method:
        raise ConfigError(
            f"{also}: {method} is the image's own method; leave it out of also, or give another "
            "method"
        )
    if len(plan.levels) == 1:
        raise ConfigError(
            f"{also}: the image gets no level beside level 0, and a companion has no other; give "
            "levels: 1, or leave also out"
        )
    where = f"{plan.where}/{method}"
    levels = (image.paths.path(level.level) for level in plan.levels)
    if any(f"{path}/".startswith(f"{method}/") for path in levels):
        raise ConfigError(
            f"{also}: its group would be {where}, where levels of the image are; leave {method} out"
        )
    node = read_node(image.store, join(image.path, method))
    if node is None or outer_base(node.attributes) == ABOVE + image.paths.base:
        return
    is_bare = node.kind == "group" and not node.attributes  # of a run that was killed as it began
    if not (is_bare and not image.store.children(join(image.path, method))):
        raise StoreError(
            f"{also}: {where} is there already and is no companion of this image; move it away, or "
            f"leave {method} out"
        )


def _config(plan: ImagePlan, method: str) -> ImageConfig:
    """Return the settings of a companion; what they ask of a level is what the image gets."""
    asked = plan.asked
    steps = tuple(
        {axis.name: n for axis, n in zip(plan.axes, level.factors, strict=True) if n > 1}
        for level in plan.levels[1:]
    )
    return replace(
        asked,
        name=companion_name(asked.name, method),
        field=join(asked.field, method),
        companion=method,
        also=None,
        method=method,
        rounding=EACH,
        weights=None,
        labels=False,
        omero=plan.image.omero,  # False where others wrote the image's, which is taken over
        dtype=None,
        scale_factors=steps,
        levels=None,
        axes=None,  # and all that places them is in the attributes
        voxel_size={},
        unit={},
        base_path=None,
        source=None,
        link_base=False,
        test_image=None,
        base=None,
        base_ready="",
    )


def _listing(plan: ImagePlan, base: str, name: str) -> dict[str, Any]:
    """Return the attributes of a group that lists level 0 alone, as an image plans it."""
    version = next(str(each.value) for each in plan.decisions if each.key == "ngff_version")
    return with_levels(
        {},
        zarr_format=plan.base.zarr_format,
        name=name,
        axes=plan.axes,
        paths=[base],
        downsamplings=[(1,) * len(plan.base.shape)],
        metadata=provenance(plan),
        shifts=METHODS[plan.image.method].shifts,
        ngff_version=version,
    )
