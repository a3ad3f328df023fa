"""Prove a pyramid by its voxels and documents."""

import random
from pathlib import Path

from zarrpyramid.downsample import ends_quietly, given_job, job_log

job = given_job()
with ends_quietly(job.log):
    from zarrpyramid.config import group_path, restore
    from zarrpyramid.downsample import Note
    from zarrpyramid.verify import LEVEL_PARTS, assure_pyramid

with job_log(job.log, job.timing):
    image = restore(job.params.image)
    with Note(job.log, LEVEL_PARTS * len(job.input.levels)) as note:
        report = assure_pyramid(
            group_path(image.store, image.field),
            n_workers=job.threads,
            seed=random.randrange(1 << 32),
            follow_links=image.follow_links,
            storage_options=image.storage_options,
            on_part=note.update,
        )
    Path(job.output.report).write_text(report.json() + "\n", encoding="utf-8")
