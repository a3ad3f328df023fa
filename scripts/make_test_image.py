"""Make level 0 of an image that asks for a test image."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.config import restore
from zarrpyramid.images import open_image
from zarrpyramid.logs import job_log
from zarrpyramid.sentinels import write_sentinel
from zarrpyramid.synthetic import make_test_image

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    record = make_test_image(image, n_workers=snakemake.threads)
    write_sentinel(Path(snakemake.output.sentinel), record)
