"""Clear a level's place for the jobs that make its parts."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import open_level
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import open_image

with job_log(snakemake.log.text, snakemake.log.timing):
    image = open_image(restore(snakemake.params.image))
    # A level 0 that is made of files has no level before it.
    finer = load_sentinel(Path(snakemake.input.finer)) if snakemake.input.finer else {}
    sentinel = Path(snakemake.output.sentinel)
    results = sentinel.parents[1]
    listed = results / "multiscales.json"
    record = open_level(
        image,
        int(snakemake.wildcards.level),
        finer,
        results=results,
        # The list loses the level, so the list's sentinel must go first.
        before_rebuild=lambda: listed.unlink(missing_ok=True),
    )
    write_sentinel(sentinel, record)
