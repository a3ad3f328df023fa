"""Prove the pyramids that were built in batches by their voxels and documents."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.plan import Run
    from zarrpyramid.verify import assure_images

with job_log(snakemake.log.text, snakemake.log.timing):
    run = Run.again(snakemake.params.run)
    report = assure_images(
        [run.images[name].config for name in sorted(run.batches.names)],
        n_workers=snakemake.threads,
        seed=random.randrange(1 << 32),
    )
    Path(snakemake.output.report).write_text(report + "\n", encoding="utf-8")
