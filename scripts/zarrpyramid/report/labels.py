"""How many ids each level of a label image has, and which ids vanished on the way.

Reads voxels of integers and writes nothing into a store. Memory grows with the number of ids, up to
a number beyond which the image is refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrpyramid import geometry
from zarrpyramid.arrays import chunk_region, native_dtype, open_chunks
from zarrpyramid.downsample import run_blocks
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import proofs, strict_number
from zarrpyramid.plan import MOST_IDS, Level, record_of, times
from zarrpyramid.tables import markdown_table

from .counts import Counter, TooManyIdsError, count_ids, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from zarrpyramid.arrays import Chunks
    from zarrpyramid.geometry import Index
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import Image

    from .counts import Table

logger = logging.getLogger(__name__)

LARGEST = 1000
"""Vanished ids that the report names a level, largest first; the table beside it names all."""

_SHOWN = 20
_ROWS = 2**16
"""Rows of the table that are made at once."""


def report_labels(
    image: Image,
    records: Sequence[Record],
    vanished: Path,
    *,
    n_workers: int,
    most: int = MOST_IDS,
    on_block: Callable[[int], None] = lambda n_voxels: None,
) -> Record:
    """Count the ids of every level, and name those that the next level has no voxel of.

    Id 0 is background, counted in voxels alone. An id of level n - 1 has vanished at level n if no
    voxel of level n has it; its size is its number of voxels at level n - 1. It has appeared at
    level n if level n - 1 has no voxel of it, as means of different ids do.

    Parameters
    ----------
    records
        Records of all levels, as their sentinels hold them.
    vanished
        Where a table of all vanished ids is written: level, id and size, tab-separated, in rising
        order of levels and ids.
    n_workers
        Threads.
    most
        Different ids that a level may have.
    on_block
        Called with the voxels of a chunk when they are counted; of all levels one after the other.

    Returns
    -------
    Record
        ``{"levels": [...]}``, strict JSON. Of each level: ``n_ids``, ``background`` (voxels of id
        0), ``proof`` of what was counted, and from level 1 on ``n_vanished``, ``n_appeared``,
        ``by_size`` (the vanished by size, in powers of two) and ``largest`` (the first `LARGEST` of
        them as pairs of id and size, largest first, equal ones in order of ids).

    Raises
    ------
    StoreError
        If a level is absent or another than recorded, an object is damaged, a level has too many
        ids, or the table cannot be written.
    """
    try:
        with vanished.open("w", encoding="utf-8") as table:
            table.write("level\tid\tvoxels\n")
            return {"levels": list(_levels(image, records, table, n_workers, most, on_block))}
    except StoreError:
        raise
    except OSError as error:
        where = error.filename or vanished
        raise StoreError(f"cannot write {where}: {error.strerror or error}") from error


def _levels(
    image: Image,
    records: Sequence[Record],
    table: TextIO,
    n_workers: int,
    most: int,
    on_block: Callable[[int], None],
) -> Iterator[Record]:
    # Sums of labels may be of a wider type than labels.
    dtype = np.result_type(*(np.dtype(plan.dtype) for plan in image.plan.levels), np.uint8)
    finer: Table | None = None
    for level, proof in enumerate(proofs(records)):
        counter = Counter(dtype, most)
        try:
            background = _count_level(image, records[level], counter, n_workers, on_block)
            found = counter.finish()
        except TooManyIdsError as error:
            raise StoreError(
                f"{image.name(level)} has more than {most} different ids, which is all that "
                "label_report counts in memory; set label_report: false for this image"
            ) from error
        logger.info("level %d: %d ids", level, found[0].size)
        counted = {
            "level": level,
            "proof": proof,
            "n_ids": found[0].size,
            "background": strict_number(background),
        }
        if finer is not None:
            counted |= _describe(without(finer, found), level, table)
            counted["n_appeared"] = without(found, finer)[0].size
        yield counted
        finer = found


def _count_level(
    image: Image,
    record: Record,
    counter: Counter,
    n_workers: int,
    on_block: Callable[[int], None],
) -> int:
    """Count the ids of a level into a counter, and return the voxels of background."""
    level = record["level"]
    metadata = Level(image, level).metadata
    if level and record_of(metadata) != record:
        raise StoreError(
            f"{image.name(level)} is not the level that its sentinel records; "
            "run the workflow again, which makes it again"
        )
    chunks = open_chunks(image.store, image.level_path(level), metadata)
    grid = geometry.grid_shape(metadata.shape, metadata.chunks)

    def count_chunk(index: Index) -> tuple[int, int]:
        ids, counts = _count_chunk(chunks, index)
        is_label = ids != 0
        counter.add((ids[is_label], counts[is_label]))
        return int(counts.sum()), int(counts[~is_label].sum())

    # By threads of this process, who share the counter.
    n_voxels = background = 0
    for voxels, zeros in run_blocks(count_chunk, grid, n_workers=n_workers, shared=False):
        n_voxels, background = n_voxels + voxels, background + zeros
        on_block(voxels)
    assert n_voxels == geometry.count(metadata.shape), (n_voxels, metadata.shape)
    return background


def _count_chunk(chunks: Chunks, index: Index) -> Table:
    payload = chunks.payload(index)
    if payload is not None:
        return count_ids(chunks.decode(index, payload))
    fill = np.array([chunks.metadata.fill_value], native_dtype(chunks.metadata))
    shape = geometry.region_shape(chunk_region(chunks.metadata, index))
    return fill, np.array([geometry.count(shape)])


def _describe(lost: Table, level: int, table: TextIO) -> dict[str, Any]:
    """Return what the report says of vanished ids, and write all of them to a table."""
    ids, sizes = lost
    for start in range(0, ids.size, _ROWS):
        part = slice(start, start + _ROWS)
        rows = zip(ids[part].tolist(), sizes[part].tolist(), strict=True)
        table.writelines(f"{level}\t{name}\t{size}\n" for name, size in rows)
    by_size = np.bincount(np.frexp(sizes)[1] - 1)
    first = np.argsort(-sizes, kind="stable")[:LARGEST]
    return {
        "n_vanished": ids.size,
        "by_size": [
            {"from": 2**power, "to": 2 ** (power + 1) - 1, "n_ids": int(by_size[power])}
            for power in np.flatnonzero(by_size).tolist()
        ],
        "largest": [
            [strict_number(name), strict_number(size)]
            for name, size in zip(ids[first].tolist(), sizes[first].tolist(), strict=True)
        ],
    }


def label_table(image: Image, report: Record) -> str:
    """Return a report of labels as text for people, in Markdown."""
    rows = []
    for counted in report["levels"]:
        shape = image.plan.levels[counted["level"]].shape
        n_voxels, background = geometry.count(shape), int(counted["background"])
        share = f"{background} voxels, {100 * background / n_voxels:.3g} %"
        changes = (counted.get(key, "-") for key in ("n_vanished", "n_appeared"))
        rows.append((counted["level"], times(shape), counted["n_ids"], *changes, share))
    columns = ("level", "shape", "ids", "vanished", "appeared", "background")
    table = markdown_table(columns, rows)
    vanished = map(_vanished_text, report["levels"][1:])
    return (
        f"# {image.plan.image.name}: labels\n\n`{image.plan.where}`\n\n{table}{''.join(vanished)}"
    )


def _vanished_text(counted: Record) -> str:
    """Return what is said of the ids that vanished at a level, nothing where none did."""
    if not counted["n_vanished"]:
        return ""
    level = counted["level"]
    rows = (
        (
            f"{group['from']} to {group['to']}" if group["to"] > group["from"] else "1",
            group["n_ids"],
        )
        for group in counted["by_size"]
    )
    table = markdown_table((f"voxels at level {level - 1}", "ids"), rows)
    shown = ", ".join(f"{name} ({size})" for name, size in counted["largest"][:_SHOWN])
    return f"\n## Vanished at level {level}\n\n{table}\nThe largest, with their voxels: {shown}.\n"
