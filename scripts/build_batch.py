"""Build small images one after the other, and write the sentinels of their levels and lists."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.downsample import Note, build_batch
    from zarrpyramid.metadata import write_sentinel

with job_log(snakemake.log.text, snakemake.log.timing):
    sentinel = Path(snakemake.output.sentinel)
    images = snakemake.params.images
    with Note(snakemake.log.text, len(images)) as note:
        record = build_batch(
            images,
            results=sentinel.parents[2],
            logs=Path(snakemake.log.timing).parents[1],
            n_workers=snakemake.threads,
            on_image=note.update,
        )
    write_sentinel(sentinel, record)
