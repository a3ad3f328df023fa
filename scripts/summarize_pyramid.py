"""Sum up what was built in a table."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.config import restore
from zarrpyramid.images import open_image
from zarrpyramid.logs import job_log
from zarrpyramid.sentinels import load_sentinel
from zarrpyramid.summary import summarize_pyramid

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    records = [load_sentinel(Path(path)) for path in snakemake.input.levels]
    table = summarize_pyramid(image, records, Path(snakemake.params.timings))
    Path(snakemake.output.table).write_text(table, encoding="utf-8")
