"""Prove the pyramids that were built in batches by their voxels and documents."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.downsample import Note
    from zarrpyramid.plan import Run
    from zarrpyramid.verify import assure_images

with job_log(snakemake.log.text, snakemake.log.timing):
    run = Run.again(snakemake.params.run)
    images = [run.images[name].config for name in sorted(run.batches.names)]
    with Note(snakemake.log.text, len(images)) as note:
        report = assure_images(
            images,
            n_workers=snakemake.threads,
            seed=random.randrange(1 << 32),
            on_image=note.update,
        )
    Path(snakemake.output.report).write_text(report + "\n", encoding="utf-8")
