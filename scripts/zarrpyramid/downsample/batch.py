"""The job of a batch: small images, built one after the other by the recipes of all other jobs.

Each image gets the sentinels that the jobs of its levels would write, to the byte. Those that are
there hold: a run sets aside what its store contradicts before a job starts. So a killed batch goes
on where it was, and an image that is complete is not even opened.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zarrpyramid.config import restore
from zarrpyramid.errors import PyramidError
from zarrpyramid.metadata import join, load_sentinel, proofs, remove_beyond, write_sentinel
from zarrpyramid.plan import base_layout, open_image

from .base import seal_base
from .level import build_level
from .log import ToldError, write_failure
from .publish import write_multiscales
from .withdrawal import withdraw_results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.metadata import Record
    from zarrpyramid.plan import BaseLayout, Image

logger = logging.getLogger(__name__)

BATCH_LOG = "batch.log"
"""Name of the log of an image that its batch could not build."""


def build_batch(
    batch: Sequence[dict[str, Any]],
    *,
    results: Path,
    logs: Path,
    n_workers: int,
    on_image: Callable[[int], None] = lambda n_images: None,
) -> Record:
    """Build the images of a batch, and return what its sentinel holds.

    An image that cannot be built does not keep the others from being so. It gets a log.

    Parameters
    ----------
    batch
        Settings of the images, as `dataclasses.asdict` makes them.
    results, logs
        Folders of all images.
    on_image
        Called with 1 for each image, whatever became of it.

    Returns
    -------
    Record
        The proofs of all levels of each image, by its name.

    Raises
    ------
    ToldError
        If an image could not be built.
    """
    made: dict[str, list[str]] = {}
    failed: list[str] = []
    image: Image | None = None
    for settings in batch:
        name, config = settings["name"], restore(settings)
        try:
            image = open_beside(image, config)
            records = build_image(image, results / name, n_workers=n_workers)
        except (PyramidError, OSError, MemoryError) as error:
            write_failure(logs / name / BATCH_LOG, error)
            failed.append(name)
            continue
        finally:
            on_image(1)
        (logs / name / BATCH_LOG).unlink(missing_ok=True)
        made[name] = proofs(records)
    if failed:
        raise ToldError(f"{len(failed)} of {len(batch)} images: {', '.join(failed)}")
    return {"images": made}


def open_beside(before: Image | None, config: ImageConfig) -> Image:
    """Return an image, in the open store of the one before where that is in the same container."""
    if before is None or before.plan.image.store != config.store:
        return open_image(config)
    return open_image(config, before.store, join(before.place, config.field))


def build_image(image: Image, folder: Path, *, n_workers: int) -> list[Record]:
    """Build those levels of an image that have no sentinel, and those after them.

    Parameters
    ----------
    folder
        Of the image's results.

    Returns
    -------
    list of dict
        The records of all levels, level 0 first.
    """
    records: list[Record] = []
    layout: BaseLayout | None = None
    listed = folder / "multiscales.json"
    is_new = False
    for level in range(len(image.plan.levels)):
        sentinel = folder / "levels" / f"{level}.json"
        if sentinel.exists() and not is_new:
            records.append(load_sentinel(sentinel))
            continue
        is_new = True
        sentinel.parent.mkdir(parents=True, exist_ok=True)
        if level == 0:
            layout = base_layout(image)
            record = seal_base(image, folder, layout=layout)
        else:
            record = build_level(
                image,
                level,
                records[-1],
                n_workers=n_workers,
                before_rebuild=lambda: withdraw_results(folder),
                layout=layout,
            )
        write_sentinel(sentinel, record)
        records.append(record)
    if is_new or not listed.exists():
        record = write_multiscales(image)
        remove_beyond(folder / "levels", len(image.plan.levels) - 1)
        write_sentinel(listed, record)
    return records
