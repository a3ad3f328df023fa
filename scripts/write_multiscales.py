"""List the levels in the group's attributes, after removing those beyond the plan."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import write_multiscales
    from zarrpyramid.metadata import remove_beyond, write_sentinel
    from zarrpyramid.plan import open_image

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    sentinel = Path(snakemake.output.sentinel)
    record = write_multiscales(image)
    remove_beyond(sentinel.parent / "levels", len(image.plan.levels) - 1)
    write_sentinel(sentinel, record)
