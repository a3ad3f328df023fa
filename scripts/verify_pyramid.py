"""Prove a pyramid by its voxels and documents."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import group_path, restore
    from zarrpyramid.verify import assure_pyramid

with job_log(snakemake.log.text, snakemake.log.timing):
    image = restore(snakemake.params.image)
    report = assure_pyramid(
        group_path(image.store, image.field),
        n_workers=snakemake.threads,
        seed=random.randrange(1 << 32),
        follow_links=image.follow_links,
        storage_options=image.storage_options,
    )
    Path(snakemake.output.report).write_text(report.json() + "\n", encoding="utf-8")
