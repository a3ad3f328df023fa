"""Build small images one after the other, and write the sentinels of their levels and lists."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.downsample import build_batch
    from zarrpyramid.metadata import write_sentinel

with job_log(snakemake.log.text, snakemake.log.timing):
    sentinel = Path(snakemake.output.sentinel)
    record = build_batch(
        snakemake.params.images,
        results=sentinel.parents[2],
        logs=Path(snakemake.log.timing).parents[1],
        n_workers=snakemake.threads,
    )
    write_sentinel(sentinel, record)
