"""The recipe that verifies a pyramid, whoever made it: what is looked at, and in which order.

It writes nothing and needs nothing but the store. Levels that zarrpyramid made are compared with
their records, levels of other programs with what known methods make of the finer level.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import group_path
from zarrpyramid.errors import AccessError, PyramidError, VoxelError
from zarrpyramid.metadata import join, locate

from .absent import stands_alone
from .archive import check_archive
from .collection import check_labels, read_collection
from .consolidation import check_consolidated
from .copied import check_base_objects, check_copied
from .documents import check_documents
from .findings import ALONE, DEFECT, Check, Finding, Report
from .foreign import check_foreign_voxels
from .objects import check_codecs, check_objects, check_remains, take_inventory
from .origins import copied_record, finer_of
from .pyramid import pyramid_at
from .sampling import SAMPLE, Scope
from .voxels import check_decoding, check_voxels
from .ways_out import making

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.geometry import Index
    from zarrpyramid.stores import Store

    from .pyramid import Pyramid

logger = logging.getLogger(__name__)

_OF_VOXELS = {"voxels", "decoded"}
"""Checks of which each level has one."""

LEVEL_PARTS = 1000
"""Parts in which the progress of a level is told."""


def verify_pyramid(
    path: str,
    *,
    sample: int = SAMPLE,
    full: bool = False,
    seed: int = 0,
    n_workers: int = 1,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    also: Mapping[str, set[Index]] = {},
    on_part: Callable[[int], None] = lambda n_parts: None,
) -> Iterator[Check | Finding]:
    """Look at a pyramid, and yield each check and each finding as it comes.

    Of a plate, a well, a group of labels or a root of bioformats2raw: at its documents, and at each
    image that it names.

    Of a single file its bytes come first, and nothing else of one that is damaged. Then documents:
    the list, the levels, the rules of OME-NGFF, the records, consolidated metadata. Then objects
    that are missing, empty or left by a run that died, and voxels of each level, by its record or
    by the method that explains it; what is read by neither is decoded.

    Parameters
    ----------
    path
        Path of the image's group, or its URL.
    sample, full, seed, n_workers, also
        How much is looked at: see `sampling.Scope`. Where all blocks of a level are looked at, the
        digests and statistics of its record are compared too.
    follow_links
        Whether symbolic links are followed out of the store.
    storage_options
        Options of a URL.
    on_part
        Called with how many of the `LEVEL_PARTS` of each level were looked at since.

    Raises
    ------
    PyramidError
        If there is no pyramid at the path.
    """
    store, inside = locate(path, "", follow_links=follow_links, options=storage_options)
    scope = Scope(sample=sample, full=full, seed=seed, n_workers=n_workers, also=also)
    yield from _counted(
        verify_group(store, inside, scope, follow_links=follow_links), scope, on_part
    )


def verify_group(
    store: Store, inside: str, scope: Scope, *, follow_links: bool = False
) -> Iterator[Check | Finding]:
    """Look at the pyramid or pyramids in a group of a store, as `verify_pyramid` does."""
    find = partial(pyramid_at, store, follow_links=follow_links)
    held = read_collection(store, inside)
    is_damaged = False
    for event in check_archive(store):
        is_damaged |= isinstance(event, Finding) and event.grade == DEFECT
        yield event
    if is_damaged:  # whatever is found behind it may follow from that
        yield Check(name="levels", figure="not looked at: the file is damaged", proven=False)
        return
    if held is None:
        yield from _verify_image(find(inside), scope)
        return
    yield Check(name="documents", figure=held.figure)
    yield from held.findings
    for image in held.images:
        name = join(store.name, image)
        yield Check(name="image", figure=name)
        yield from _verify_one_of(name, partial(find, image), scope)


def _verify_one_of(
    name: str, find: Callable[[], Pyramid], scope: Scope
) -> Iterator[Check | Finding]:
    """Do what `verify_pyramid` does for one image of several, which messages call `name`."""
    try:
        for event in _verify_image(find(), scope):
            if isinstance(event, Finding) and name not in event.key:
                yield replace(event, key=join(name, event.key))
            elif event == ALONE:
                yield replace(event, figure=f"none beside level 0 of {name}")
            elif isinstance(event, Check) and event.unexplained:
                yield replace(event, unexplained=f"{name}, {event.unexplained}")
            else:
                yield event
    except AccessError:
        raise
    except PyramidError as error:
        yield Finding(what=str(error), key=name)


def _verify_image(pyramid: Pyramid, scope: Scope) -> Iterator[Check | Finding]:
    if stands_alone(pyramid):
        yield replace(ALONE, way_out=making(pyramid))
    yield Check(name="sample", figure=scope.figure)
    yield from check_documents(pyramid)
    yield from check_labels(pyramid.store, pyramid.path, pyramid.zarr_format)
    yield from check_consolidated(pyramid)
    yield from check_remains(pyramid)
    yield from _verify_levels(pyramid, scope)
    for other in pyramid.further:
        name = (other.multiscales or {}).get("name", "without a name")
        yield Check(name="further", figure=f"multiscales {name}")
        yield from _verify_levels(other, scope)


def _verify_levels(pyramid: Pyramid, scope: Scope) -> Iterator[Check | Finding]:
    """Look at the objects and voxels of each level."""
    coded = list(check_codecs(pyramid))
    yield from coded
    stored: dict[str, list[Index]] = {}
    for level in pyramid.levels:
        if level.metadata is not None:
            found = take_inventory(pyramid, level, scope)
            stored[level.path] = found.sample
            yield from check_objects(pyramid, level, found)
    yield from check_base_objects(pyramid)
    closed = {found.level for found in coded}
    read = {level.path for level in pyramid.levels if level.number in closed}
    for level in pyramid.levels[1:]:
        finer = finer_of(pyramid, level)
        if level.metadata is None or finer is None:
            continue
        if closed & {level.number, finer.number}:
            yield Check(name="voxels", level=level.number, figure="not looked at: not decoded")
        elif level.record is not None:
            read |= yield from check_voxels(pyramid, level, finer, scope)
        elif 0 not in (*level.array.shape, *finer.array.shape):
            read |= yield from check_foreign_voxels(pyramid, level, finer, scope, stored)
    for level in pyramid.levels:
        if level.metadata is None or level.path in read:
            continue
        is_alone = len(pyramid.levels) == 1 or scope.full
        if level.number == 0 and is_alone and copied_record(level) and not closed:
            yield from check_copied(pyramid, scope)
        else:
            yield from check_decoding(pyramid, level, scope)


def assure_pyramid(
    path: str,
    *,
    n_workers: int = 1,
    seed: int = 0,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    on_part: Callable[[int], None] = lambda n_parts: None,
) -> Report:
    """Verify a pyramid into the log, and return the report of one that is sound.

    Parameters
    ----------
    on_part
        Called with how many of the `LEVEL_PARTS` of each level were looked at since.

    Raises
    ------
    VoxelError
        If it is not.
    """
    report = Report(path=path)
    events = verify_pyramid(
        path,
        seed=seed,
        n_workers=n_workers,
        follow_links=follow_links,
        storage_options=storage_options,
        on_part=on_part,
    )
    report.gather(events, logger.info)
    logger.info("%s", report.verdict)
    if not report.is_sound:
        first = next(finding for finding in report.findings if finding.grade == DEFECT)
        raise VoxelError(f"{report.verdict}; the first: {first.line}")
    return report


def _counted(
    events: Iterator[Check | Finding], scope: Scope, on_part: Callable[[int], None]
) -> Iterator[Check | Finding]:
    """Yield events, and count the parts of each level that is looked at; its check ends it."""
    share, n_told = 0.0, 0

    def tell(more: float) -> None:
        nonlocal share, n_told
        share = min(1.0, share + more)
        n_new = int(LEVEL_PARTS * share) - n_told
        n_told += n_new
        if n_new:
            on_part(n_new)

    scope.on_share = tell
    for event in events:
        if isinstance(event, Check) and event.name in _OF_VOXELS:
            tell(1.0)
            share, n_told = 0.0, 0
        yield event


def assure_images(
    images: Sequence[ImageConfig],
    *,
    n_workers: int = 1,
    seed: int = 0,
    on_image: Callable[[int], None] = lambda n_images: None,
) -> str:
    """Verify the pyramids of some images into the log, and return their reports as JSON by name.

    Parameters
    ----------
    on_image
        Called with 1 for each image, whatever became of it.

    Raises
    ------
    VoxelError
        If one is not sound; all are looked at before.
    """
    reports: dict[str, Any] = {}
    faults: list[str] = []
    for image in images:
        try:
            report = assure_pyramid(
                group_path(image.store, image.field),
                n_workers=n_workers,
                seed=seed,
                follow_links=image.follow_links,
                storage_options=image.storage_options,
            )
        except PyramidError as error:
            logger.warning("%s", error)
            faults.append(str(error))
        else:
            reports[image.name] = json.loads(report.json())
        on_image(1)
    if faults:
        raise VoxelError(f"{len(faults)} of {len(images)} images; the first: {faults[0]}")
    return json.dumps(reports, indent=1)
