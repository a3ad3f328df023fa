"""Sum up what was built, as a table and as a report with pictures."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.config import restore
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
    Path(snakemake.output.report).write_text(report, encoding="utf-8")
    Path(snakemake.output.table).write_text(summarize_pyramid(image, facts), encoding="utf-8")
