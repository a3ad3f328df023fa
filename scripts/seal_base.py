"""Make level 0 fit to be listed, and write its sentinel."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import seal_base, write_owner
    from zarrpyramid.errors import StoreError
    from zarrpyramid.metadata import write_sentinel
    from zarrpyramid.plan import open_image

with job_log(snakemake.log.text, snakemake.log.timing):
    if snakemake.params.refused:
        raise StoreError(snakemake.params.refused)
    image = open_image(restore(snakemake.params.image))
    sentinel = Path(snakemake.output.sentinel)
    record = seal_base(image)
    write_owner(image, sentinel.parents[1])
    write_sentinel(sentinel, record)
