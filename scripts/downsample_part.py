"""Build one part of a level that is open, and write its sentinel."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Progress, build_part
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import expectation, open_image

with job_log(snakemake.log.text, snakemake.log.timing) as told:
    image = open_image(restore(snakemake.params.image))
    # A level 0 that is made of files has no level before it.
    finer = load_sentinel(Path(snakemake.input.finer)) if snakemake.input.finer else {}
    level, logs = int(snakemake.wildcards.level), Path(snakemake.log.timing).parent
    told.update(expectation(image, level, snakemake.threads, logs))
    sentinel = Path(snakemake.output.sentinel)
    part = int(snakemake.wildcards.part)
    with Progress(image, level, part=part) as progress:
        record = build_part(
            image,
            level,
            part,
            finer,
            load_sentinel(Path(snakemake.input.opening)),
            n_workers=snakemake.threads,
            results=sentinel.parents[1],
            on_block=progress.update,
        )
    told.update(voxels=progress.n_voxels)
    write_sentinel(sentinel, record)
