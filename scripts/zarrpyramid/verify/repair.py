"""The recipe that mends a pyramid of zarrpyramid, by what its store alone says of it.

What the pyramid has to be is what most of its documents say (`votes`); a sound document is never
changed for an edited one. It goes level by level from the finest on, and verifies the pyramid
afterwards. What is stored of a level is compared with the level's record. Broken objects are made
again by the task that builds the level. The whole level is made again where its record itself does
not hold, or is lost.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.arrays import chunks_of_object, open_chunks, read_chunk
from zarrpyramid.downsample import (
    BlockResult,
    LevelJob,
    digest_header,
    make_level,
    omero_holds,
    publish_level,
    remove_left_overs,
    remove_litter,
    remove_remainders,
    withdraw_levels,
    write_multiscales,
)
from zarrpyramid.errors import AccessError, MetadataError, PyramidError, StoreError
from zarrpyramid.metadata import (
    delete_array,
    fits,
    hide_array,
    join,
    levels_there,
    open_group,
    tell_ancestors,
)
from zarrpyramid.plan import (
    ONCE,
    READ_AGAIN,
    Level,
    check_listed,
    check_place,
    follows_recipe,
    kept_line,
    made_of,
    record_of,
    weights_of,
    why_incomplete,
)
from zarrpyramid.stores import held

from .base_document import mend_base
from .base_entry import mend_list
from .comparison import (
    CompareOnceTask,
    CompareTask,
    CompareWeightedTask,
    Comparison,
    compare_all,
    counted,
    on_places,
    proof,
)
from .findings import WARNING, Check, Finding
from .pyramid import ABSENT, find_pyramid
from .sampling import SAMPLE, Scope, draw_sample
from .verify import verify_pyramid
from .votes import Votes, agreed_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .pyramid import FoundLevel, Pyramid


_MOST_TRIED = 8
"""Objects by which a level's document is tried."""


def repair_pyramid(
    path: str,
    *,
    sample: int = SAMPLE,
    full: bool = False,
    seed: int = 0,
    n_workers: int = 1,
    follow_links: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    on_part: Callable[[int], None] = lambda n_parts: None,
) -> Iterator[Check | Finding]:
    """Mend a pyramid, and yield what was done and then what `verify_pyramid` finds.

    A level that cannot be mended because its source cannot be read is withdrawn from the list with
    all levels after it. They stay in the store, so that this can be run again.

    Parameters
    ----------
    path, sample, full, seed, n_workers, follow_links, storage_options, on_part
        As for `verify_pyramid`, which looks at what was made again too.

    Raises
    ------
    PyramidError
        If zarrpyramid made no level of the pyramid, another process is building it, or level 0 is
        lost and the levels that were made from it may be all that is left.
    """
    how: dict[str, Any] = {"follow_links": follow_links, "storage_options": storage_options}
    scope: dict[str, Any] = {"sample": sample, "full": full, "seed": seed, "n_workers": n_workers}
    pyramid, drawn = find_pyramid(path, **how), Scope(**scope)
    if not any(record_of(level.metadata) for level in pyramid.levels):
        _ = Votes(pyramid).levels  # of others' levels nothing is touched
    is_unplaced = pyramid.multiscales is None
    made: dict[str, set[Index]] = {}
    finer: Record = {}
    is_whole = True
    with held(pyramid.store, pyramid.path):
        mend_list(pyramid)
        if mended := mend_base(find_pyramid(path, **how), drawn):
            yield mended
        mend_list(find_pyramid(path, **how))
        pyramid = find_pyramid(path, **how)
        _check_base_kept(pyramid)
        image = _likeliest(agreed_images(pyramid, _decodes(pyramid), **how), drawn)
        with image.store.hold(image.lock):
            _reclaim_levels(image, pyramid, drawn)
            check_listed(image)
            levels = levels_there(image.store, image.path, image.paths)
            remove_left_overs(image, [n for n in levels if n >= len(image.plan.levels)])
            for level in range(1, len(image.plan.levels)):
                try:
                    finer, objects = _mend_level(image, level, finer, drawn)
                except AccessError:
                    raise
                except PyramidError as error:
                    withdraw_levels(image, level)
                    what = f"cannot be made again, and is withdrawn with all after it: {error}"
                    yield Finding(what=what, level=level, key=image.name(level))
                    is_whole = False
                    break
                made[image.paths.path(level)] = objects or set()
                n_objects = image.plan.levels[level].n_objects
                figure = "all" if objects is None else f"{len(objects)} of {n_objects}"
                yield Check(name="repair", level=level, figure=f"{figure} objects made again")
            tell_ancestors(image.store, image.level_path(0))
        if is_whole:
            write_multiscales(image)
    if is_unplaced and image.plan.lists_levels:
        what = "the list was lost, and with it voxel sizes and units, which count as 1 and none now"
        way_out = "have a run list them: give it voxel_size and unit"
        yield Finding(what=what, grade=WARNING, key=pyramid.where, way_out=way_out)
    yield from verify_pyramid(path, also=made, on_part=on_part, **scope, **how)


def _check_base_kept(pyramid: Pyramid) -> None:
    """Refuse to make levels of fill value that may be all that is left of the image."""
    if pyramid.lost:
        there = [level.path for level in pyramid.levels[1:] if level.fault != ABSENT]
        numbers = sorted(filter(None, map(pyramid.paths.level, there)))
        kept = kept_line(numbers, pyramid.store, pyramid.where)
        way_out = READ_AGAIN if pyramid.is_copied else kept
        raise StoreError(f"{pyramid.levels[0].name} {pyramid.lost}; {way_out}")


def _likeliest(images: Sequence[Image], scope: Scope) -> Image:
    """Return the image of several whose method makes most of level 1 as it is stored."""

    def n_wrong(image: Image) -> float:
        with contextlib.suppress(PyramidError):
            return float(len(_compare(Level(image, 1), scope).differences))
        return math.inf

    return images[0] if len(images) == 1 else min(images, key=n_wrong)


def _decodes(pyramid: Pyramid) -> Callable[[FoundLevel], bool]:
    """Return what tells whether the document of a level decodes some of its objects."""

    def decodes(level: FoundLevel) -> bool:
        array = level.array
        with contextlib.suppress(PyramidError):
            chunks = open_chunks(pyramid.store, level.at, array)
            grid = geometry.grid_shape(array.shape, array.write_shape)
            stored = (
                place
                for place in geometry.iterate_units(grid)
                if pyramid.store.size(join(level.at, array.object_key(place)))
            )
            for place in itertools.islice(stored, _MOST_TRIED):
                with contextlib.suppress(StoreError):  # that one may be damaged
                    for index in chunks_of_object(array, place):
                        read_chunk(chunks, index)
                    return True
        return False

    return decodes


def _reclaim_levels(image: Image, pyramid: Pyramid, scope: Scope) -> None:
    """Remove the levels that were made here and have lost their records, to be made again.

    Of these are damaged documents where the list has a level of ours, and arrays of the planned
    form that hold what the recipe makes. Everything else without a record stays.
    """
    lost: list[Level] = []
    for number, found in Votes(pyramid).levels.items():
        level = Level(image, number) if number < len(image.plan.levels) else None
        if level is None or found.record is not None or level.store.is_link(level.path):
            continue
        try:
            node = level.node
        except MetadataError:
            hide_array(level.store, level.path)
            continue
        with contextlib.suppress(PyramidError):  # what is of others stays where it is, and is named
            is_lost = node is not None and level.record is None
            is_ours = is_lost and level.metadata.meaning == level.planned.meaning
            if is_ours and not _compare(level, scope).differences:
                lost.append(level)
    for level in lost:  # each was compared with the one before it
        delete_array(level.store, level.path)


def _mend_level(
    image: Image, number: int, finer: Record, scope: Scope
) -> tuple[Record, set[Index] | None]:
    """Mend a level; return its record and the objects that were made again, None for all of them.

    `finer` is the record of the level before, which is sound by now, and nothing for level 1. Level
    1 is compared with level 0, which has no record of its own, as far as `scope` goes.

    Raises
    ------
    PyramidError
        If what the level is made from cannot be read.
    """
    level, n_workers = Level(image, number), scope.n_workers
    record = _known_record(level)
    weights = weights_of(level)
    is_weighed = weights is None or weights.node is not None
    proof = {} if weights is None or not is_weighed else weights.proof
    if record is None or not fits(
        record["source"], {**proof, **(made_of(finer) if number > 1 else {})}
    ):
        return _make_level(image, number, finer, n_workers), None
    remove_litter(level)
    if level.metadata.meaning != level.planned.meaning:
        level.store.sync()
        publish_level(level, record)
        level = Level(image, number)
    tell_ancestors(level.store, level.path)
    _, broken = _read(level, n_workers)
    made = _make_objects(level, set(broken), n_workers)
    if not _is_as_recorded(level, record, n_workers):
        made |= _make_objects(level, _differing_objects(level, n_workers), n_workers)
        if not _is_as_recorded(level, record, n_workers):
            return _make_level(image, number, finer, n_workers), None
    elif number == 1 and is_weighed and _base_has_changed(level, record, scope):
        return _make_level(image, number, finer, n_workers), None
    return record, made


def _known_record(level: Level) -> Record | None:
    """Return the record of a level that is made by the planned recipe, else None.

    A document that cannot be read, or has the record of a level and describes none, is removed.
    """
    try:
        if level.record is None:
            return None
    except MetadataError:
        hide_array(level.store, level.path)
        return None
    try:
        level.metadata  # noqa: B018 - which has to be an array
    except AccessError:
        raise
    except (MetadataError, StoreError):
        hide_array(level.store, level.path)
        return None
    group = open_group(level.store, level.image.path)
    is_known = level.number > 1 or omero_holds(level.image, group.attributes)
    return level.record if is_known and follows_recipe(level) else None


def _make_level(image: Image, number: int, finer: Record, n_workers: int) -> Record:
    """Make all of a level by its job, if its source can be read."""
    if number == 1:  # finer levels are mended before others
        _, broken = _read(Level(image, 0), n_workers)
        for reason in broken.values():
            raise StoreError(reason)
    job = LevelJob(image=image, level=number, finer=finer, n_workers=n_workers)
    check_place(job.target)
    return make_level(job)


def _read(level: Level, n_workers: int) -> tuple[BlockResult, dict[Index, str]]:
    """Return figures of what a level holds, and the objects that are broken, each with the reason.

    A missing object is broken where the plan leaves none out.
    """
    metadata = level.metadata
    chunks = open_chunks(level.store, level.path, metadata)
    is_full = level.number > 0 and level.plan.write_empty_chunks

    def read(place: Index) -> tuple[Index, BlockResult, str]:
        seen, key = BlockResult(), join(level.path, metadata.object_key(place))
        if is_full and not level.store.size(key):
            return place, seen, f"{key} is missing"
        try:
            return place, counted(chunks, place), ""
        except AccessError:
            raise
        except StoreError as error:
            return place, seen, str(error)

    total, broken = BlockResult(), {}
    places = geometry.iterate_units(geometry.grid_shape(metadata.shape, metadata.write_shape))
    for place, seen, reason in on_places(read, places, n_workers):
        total.merge(seen)
        if reason:
            broken[place] = reason
    return total, broken


def _is_as_recorded(level: Level, record: Record, n_workers: int) -> bool:
    """Tell whether a level holds the voxels and the objects that its record promises."""
    seen, broken = _read(level, n_workers)
    if broken or why_incomplete(level.metadata, level.objects()):
        return False
    return fits(record, proof(seen.target, level.metadata))


def _make_objects(level: Level, objects: set[Index], n_workers: int) -> set[Index]:
    """Make objects again, and return them."""
    for index in objects:
        _clear_folder(level, join(level.path, level.metadata.object_key(index)))
    if objects:  # what they are made of may not be there where none is needed
        task = LevelJob(image=level.image, level=level.number, finer={}).task(0)
        places = {geometry.cell_of(task.target.write_shape, index, task.unit) for index in objects}
        for _ in on_places(task, sorted(places), n_workers):
            pass
    remove_remainders(level.image, level.number)
    level.store.sync()
    return objects


def _clear_folder(level: Level, key: str) -> None:
    """Remove an empty folder that stands where an object of a level is to be."""
    folder = level.store.folder(key)
    if folder is None or not folder.is_dir():
        return
    if held := next(iter(level.store.keys(key)), None):
        raise StoreError(
            f"{folder} is a folder that holds {held}, expected an object of the level; move it "
            "away, and repair again"
        )
    level.store.delete_tree(key)


def _differing_objects(level: Level, n_workers: int) -> set[Index]:
    """Return the objects of a level that hold other voxels than the level before makes."""
    objects = set()
    for found in compare_all(_compare_task(level), n_workers):
        for difference in found.differences:
            if difference.index is None:
                raise StoreError(difference.what)
            objects.add(level.metadata.object_of(difference.index)[0])
    return objects


def _base_has_changed(level: Level, record: Record, scope: Scope) -> bool:
    """Tell whether level 1, which is as recorded, is not what level 0 makes now."""
    found = _compare(level, scope)
    if any(difference.index is not None for difference in found.differences):
        return True
    is_known = scope.full and not found.is_partial
    task = _compare_task(level)
    expected = proof(found.seen.source, task.source)
    if isinstance(task, CompareWeightedTask):
        expected["weights"] = found.seen.weights.digest(digest_header(task.weights))
    return is_known and not fits(record["source"], expected)


def _compare(level: Level, scope: Scope) -> Comparison:
    """Return how a level differs from what the level before makes, as far as `scope` goes."""
    task, found = _compare_task(level), Comparison()
    if scope.full:
        results = compare_all(task, scope.n_workers)
    else:
        places = draw_sample(task.grid, scope.sample, scope.draw).places
        results = on_places(task, places, scope.n_workers)
    for result in results:
        found.merge(result)
    return found


def _compare_task(level: Level) -> CompareTask:
    finer = Level(level.image, level.number - 1)
    arrays = [(each.path, each.metadata) for each in (finer, level)]
    plan, base = level.plan, Level(level.image, 0)
    if plan.rounding == ONCE and level.number > 1:
        return CompareOnceTask.of(
            level.store,
            arrays,
            plan.factors,
            plan.method,
            base_path=base.path,
            base=base.metadata,
            downsampling=finer.plan.downsampling,
        )
    form = (level.store, arrays, plan.factors, plan.method, plan.no_data)
    weights = weights_of(level)
    return CompareTask.of(*form) if weights is None else CompareWeightedTask.by(weights, *form)
