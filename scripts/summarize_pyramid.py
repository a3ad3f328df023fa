"""Sum up what was built, as a table and as a report with pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.config import restore
from zarrpyramid.files import write_aside
from zarrpyramid.images import open_image
from zarrpyramid.logs import job_log
from zarrpyramid.report import report_pyramid
from zarrpyramid.sentinels import load_sentinel
from zarrpyramid.summary import level_facts, summarize_pyramid

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    records = [load_sentinel(Path(path)) for path in snakemake.input.levels]
    facts = level_facts(image, records, Path(snakemake.params.timings))
    report = report_pyramid(image, records, facts)
    write_aside(Path(snakemake.output.report), report.encode())
    write_aside(Path(snakemake.output.table), summarize_pyramid(image, facts).encode())
