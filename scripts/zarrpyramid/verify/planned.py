"""Whether the documents of a pyramid of zarrpyramid are those that a run would write now.

`verify` and `status` find what `snakemake -n` finds: a run makes a level again whose document means
something else than is planned, and lists levels again whose list differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.downsample import listed_attributes, omero_holds
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import same_text
from zarrpyramid.plan import Level

from .findings import DEFECT, Finding
from .votes import Votes, agreed_images
from .ways_out import relisting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zarrpyramid.plan import Image

    from .pyramid import FoundLevel, Pyramid


def check_planned(pyramid: Pyramid, told: Sequence[Finding]) -> Iterator[Finding]:
    """Yield in what documents are not what most of them together say, beyond what is told already.

    Nothing of a pyramid that nobody can plan: what keeps it from being planned is told.
    """
    wrong = [found for found in told if found.grade == DEFECT]
    how: dict[str, Any] = {
        "follow_links": pyramid.follow_links,
        "storage_options": dict(pyramid.store.options),
    }
    try:
        images = agreed_images(pyramid, **how)
        levels = Votes(pyramid).levels
    except PyramidError:
        return
    for number, level in levels.items():
        is_told = any(level.number == found.level for found in wrong)
        if level.record is not None and level.metadata is not None and not is_told:
            for found in _check_level(pyramid, images[0], number, level):
                wrong.append(found)
                yield found
    is_listed = pyramid.multiscales is not None and images[0].plan.lists_levels
    if is_listed and len(images) == 1 and not wrong:
        yield from _check_list(pyramid, images[0])


def _check_level(
    pyramid: Pyramid, image: Image, number: int, level: FoundLevel
) -> Iterator[Finding]:
    recipe = {**image.plan.levels[number].expected["recipe"]}
    recipe.pop("voxel_revision")  # of another one there is a note
    pairs: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
        ("", Level(image, number).planned.meaning, level.array.meaning),
        ("its record's ", recipe, (level.record or {}).get("recipe", {})),
    ]
    for whose, expected, found in pairs:
        more = {"no_data", "nodata", "rounding", "weights"} if whose else found.keys()
        for key in sorted(expected.keys() | more):
            if expected.get(key) != found.get(key):
                yield level.finding(
                    f"{whose}{key} is not what the other documents make it",
                    expected=expected.get(key, "none"),
                    found=found.get(key, "none"),
                    way_out=pyramid.repair(),
                )
    if number == 1 and not omero_holds(image, pyramid.attributes):
        what = "its record's windows are not those of omero, which was made of them"
        yield level.finding(what, way_out=pyramid.repair())


def _check_list(pyramid: Pyramid, image: Image) -> Iterator[Finding]:
    before = pyramid.attributes
    after = listed_attributes(image, before)
    if not same_text(before, after):
        yield Finding(
            what=f"the list is not the one that a run writes: {_where(before, after)}",
            key=pyramid.where,
            way_out=f"list the levels again: {relisting(pyramid)}",
        )


def _where(before: object, after: object, path: str = "") -> str:
    """Return where two JSON values differ first, and in what.

    >>> _where({"a": [1, 2]}, {"a": [1, 3]})
    'a/1 is 2 and not 3'
    """
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [(key, before.get(key), after.get(key)) for key in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(str(n), *pair) for n, pair in enumerate(zip(before, after, strict=True))]
    else:
        return f"{path.strip('/')} is {str(before)[:80]} and not {str(after)[:80]}"
    for key, left, right in pairs:
        if left != right:
            return _where(left, right, f"{path}/{key}")
    return path
