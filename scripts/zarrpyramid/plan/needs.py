"""The memory, seconds and disk that a job will need, by the plan and the times of the last run.

Memory is the sum of the resident sets of the job's processes, which is what clusters count. The
figures describe how `downsample` works and change with it; a test holds them against real jobs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.stores import is_url

from .base_objects import stored_share
from .cut import (
    FEW,
    compiled_pays,
    shared_block_bytes,
    shared_bytes,
    spread_threads,
    task_extents,
)
from .remainders import ONCE

if TYPE_CHECKING:
    from pathlib import Path

    from .image import Image
    from .levels import LevelPlan

PROCESS_BYTES = 54_000_000
"""Resident set of a job's process without numba: 48 to 50 MB under Snakemake.

The first run of a clone compiles what it imports, and takes 52 to 56 MB.
"""

WORKER_BYTES = 42_000_000
"""The share of it in a forked worker, which counts again for each worker."""

NUMBA_BYTES = 130_000_000
"""What numba and a cached kernel add to a process."""

NUMBA_WORKER_BYTES = 47_000_000
"""The share of that in a worker that is forked afterwards."""

CLIENT_BYTES = 30_000_000
"""What the client of an object store adds to a process, with its connections."""

READER_BYTES = 30_000_000
"""What the library that reads files of another format adds to a process."""

OBJECT_BYTES = 400
"""Bytes for each listed object of a level: key, size and time, in two lists."""

MOST_IDS = 1 << 24
"""Most different ids of a label image, which are counted in memory."""

ID_BYTES = 88
"""Bytes for each id: ids and counts of two levels, and again while they are merged."""

DEFAULT_RATE = 100_000_000
"""Bytes of voxels that a core reads and reduces in a second, where no run has measured it.

A third to a half of what uint16 with zstd took on the machine of the other figures.
"""

_START_SECONDS = 0.3
"""What a job takes to start: seven jobs that do nothing took 0.28 s each under Snakemake."""

_LEAST_MEASURED = 1 << 22
"""A job of fewer voxels spends most of its time on its start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a job needs: bytes of memory and of disk, and seconds."""

    memory: int
    seconds: float
    disk: int

    @property
    def resources(self) -> dict[str, int]:
        """As Snakemake calls them: mem_mb, runtime in minutes and disk_mb, with room to spare."""
        return {
            "mem_mb": math.ceil(1.25 * self.memory / 1e6),
            "runtime": 5 + math.ceil(4 * self.seconds / 60),
            "disk_mb": max(1, math.ceil(self.disk / 1e6)),
        }


def level_need(
    image: Image, level: int, n_workers: int, rate: float, share: float | None = None
) -> Need:
    """Return what the job of a level needs, or each of its parts.

    Parameters
    ----------
    n_workers
        Workers of the job.
    rate
        Voxels that each worker takes a second, as `measured_rate` returns them.
    share
        Stored bytes of a byte of voxels; a few objects of level 0 are asked where it is not given.
    """
    plan = image.plan
    if level == 0:
        return input_need(image, n_workers, rate)
    source, target, cut = plan.levels[level - 1], plan.levels[level], plan.cut(level)
    in_parts = cut.n_parts > 1
    block_bytes = cut.block_bytes if in_parts else shared_block_bytes(target, n_workers)
    form = (source, target, target.factors, block_bytes)
    step, unit = task_extents(*form)
    n_all = geometry.count(geometry.grid_shape(target.shape, unit))
    n_tasks = -(-n_all // cut.n_parts)
    n_steps = geometry.count(geometry.grid_shape(unit, step))
    store, n_also = image.store, len(plan.asked.also or ()) if level == 1 else 0
    stored = stored_share(image) if share is None else share
    buffers, held = shared_bytes(*form, share=stored, ahead=store.ahead, n_also=n_also)
    if target.rounding == ONCE:
        buffers += _carried_bytes(image, level)
    if target.weights:
        buffers += _weights_bytes(source, target)
    n_voxels = geometry.count(source.shape) * n_tasks // n_all
    compiled = compiled_pays(target.method, n_voxels, n_tasks)
    process = PROCESS_BYTES + compiled * NUMBA_BYTES
    is_remote = is_url(image.plan.image.store)
    if n_tasks > FEW and n_workers > 1 and not is_remote:
        worker = WORKER_BYTES + compiled * NUMBA_WORKER_BYTES + buffers + held
        memory = process + n_workers * worker
    else:
        # Without the share of stored bytes, which the job does not know either.
        bytes_each = shared_bytes(*form, ahead=store.ahead, n_also=n_also)
        n_busy, each = spread_threads(
            n_workers, n_tasks, store.at_once, bytes_each, ahead=store.ahead
        )
        n_threads = n_busy * min(each, n_steps)
        memory = process + is_remote * CLIENT_BYTES + n_threads * buffers + n_busy * held
    if not in_parts:
        memory += OBJECT_BYTES * target.n_objects
    return Need(
        memory=memory,
        seconds=_START_SECONDS + n_voxels / (rate * n_workers),
        disk=-(-target.raw_bytes // cut.n_parts),
    )


def _carried_bytes(image: Image, level: int) -> int:
    """Return what a thread takes for remainders of one step, made from level 0 where need be."""
    base, source, target = (image.plan.levels[n] for n in (0, level - 1, level))
    sums = 8 * geometry.count(source.chunks)
    # Sums and remainders of a source chunk, its counts times itself, those of the step, level 0.
    return 4 * sums + 16 * geometry.count(target.chunks) + 2 * _chunk_bytes(base)


def _weights_bytes(source: LevelPlan, target: LevelPlan) -> int:
    """Return what a thread takes for weights of one step, which may be of other chunks."""
    # Stored bytes and voxels of a chunk, and the boxes of both arrays, put together; of doubles.
    n_voxels = geometry.count(geometry.multiply(target.chunks, target.factors))
    return 16 * geometry.count(source.chunks) + (8 + source.item_size) * n_voxels


def _chunk_bytes(level: LevelPlan) -> int:
    return geometry.count(level.chunks) * level.item_size


def base_need(image: Image, n_workers: int, rate: float) -> Need:
    """Return what a job needs that makes or takes level 0, or reads all levels once."""
    base = image.plan.levels[0]
    chunk = geometry.count(base.chunks) * max(8, base.item_size)
    return Need(
        memory=3 * PROCESS_BYTES + n_workers * (WORKER_BYTES + 6 * chunk) + _listed(image),
        seconds=_START_SECONDS + 2 * geometry.count(base.shape) / (rate * n_workers),
        disk=base.raw_bytes,
    )


def input_need(image: Image, n_workers: int, rate: float) -> Need:
    """Return what the job needs that makes level 0 of files, or each of its parts."""
    plan, base = image.plan, image.plan.levels[0]
    cut = plan.cut(0)
    n_slabs = -(-geometry.count(cut.grid) // cut.n_parts)
    slab = geometry.count(tuple(map(min, plan.slab.extents, base.shape))) * base.item_size
    n_busy, n_chunk = min(n_workers, n_slabs), geometry.count(base.write_shape) * base.item_size
    assert image.input is not None
    block = image.input.block_bytes
    n_voxels = geometry.count(base.shape) // cut.n_parts
    return Need(
        memory=PROCESS_BYTES
        + READER_BYTES
        + n_busy * (WORKER_BYTES + READER_BYTES + slab + 2 * block + 3 * n_chunk)
        + OBJECT_BYTES * base.n_objects,
        seconds=_START_SECONDS + 2 * n_voxels / (rate * n_workers),
        disk=-(-base.raw_bytes // cut.n_parts),
    )


def labels_need(image: Image, n_workers: int, rate: float) -> Need:
    """Return what a job needs that counts the ids of all levels."""
    need = base_need(image, n_workers, rate)
    n_ids = min(geometry.count(image.plan.levels[0].shape), MOST_IDS)
    return replace(need, memory=need.memory + n_ids * ID_BYTES)


def documents_need(image: Image) -> Need:
    """Return what a job needs that lists objects and writes documents."""
    return Need(memory=PROCESS_BYTES + _listed(image), seconds=_START_SECONDS, disk=0)


def measured_rate(image: Image, logs: Path) -> float:
    """Return the voxels that a core took in a second of the last run, or else the default.

    Parameters
    ----------
    logs
        Folder of the timings that jobs of the image wrote.
    """
    n_voxels = seconds = 0.0
    for path in sorted(logs.glob("*.json")):
        told = read_timing(path)
        if told.get("voxels", 0) >= _LEAST_MEASURED:
            n_voxels += told["voxels"]
            seconds += told["seconds"] * told["n_workers"]
    return n_voxels / seconds if seconds else DEFAULT_RATE / image.plan.base.item_size


def expectation(image: Image, level: int, n_workers: int, logs: Path) -> dict[str, float]:
    """Return the plan of a level's job or part, which it notes before it starts."""
    need = level_need(image, level, n_workers, measured_rate(image, logs))
    return {
        "n_workers": n_workers,
        "voxels": 0,
        "planned_bytes": need.memory,
        "planned_seconds": round(need.seconds, 3),
    }


def level_timings(image: Image, level: int, logs: Path) -> list[dict[str, float]]:
    """Return the timings of those jobs of a level that have run."""
    names = [str(level)]
    if level and (n_parts := image.plan.cut(level).n_parts) > 1:
        parts = [f"{part}-of-{n_parts}" for part in range(1, n_parts + 1)]
        names += [f"{level}.{part}" for part in ("open", *parts)]
    told = [read_timing(logs / f"{name}.json") for name in names]
    return [job for job in told if job]


def read_timing(path: Path) -> dict[str, float]:
    """Return the timing that a job wrote, or {} where it wrote none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def peak_memory(told: dict[str, float]) -> int | None:
    """Return the bytes that a job held at its peak, by its timing."""
    if "peak_bytes" not in told:
        return None
    return int(told["peak_bytes"] + told.get("n_workers", 1) * told.get("worker_peak_bytes", 0))


def _listed(image: Image) -> int:
    return OBJECT_BYTES * max((level.n_objects for level in image.plan.levels[1:]), default=0)
