"""Make level 0 of an image that asks for a test image."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import make_test_image
    from zarrpyramid.metadata import write_sentinel
    from zarrpyramid.plan import open_image

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    record = make_test_image(image, n_workers=snakemake.threads)
    write_sentinel(Path(snakemake.output.sentinel), record)
