"""Build one level from the one before it, or gather its parts, and write its sentinel."""

from pathlib import Path
from typing import TYPE_CHECKING

from zarrpyramid.downsample import ends_quietly, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with ends_quietly(snakemake.log.text):
    from zarrpyramid.config import restore
    from zarrpyramid.downsample import Progress, build_level, gather_level
    from zarrpyramid.metadata import load_sentinel, write_sentinel
    from zarrpyramid.plan import expectation, open_image

with job_log(snakemake.log.text, snakemake.log.timing) as told:
    image = open_image(restore(snakemake.params.image))
    sentinel = Path(snakemake.output.sentinel)
    results = sentinel.parents[1]
    listed = results / "multiscales.json"
    level = int(snakemake.wildcards.level)
    finer = load_sentinel(Path(snakemake.input.finer))
    if snakemake.input.parts:
        parts = [load_sentinel(Path(path)) for path in snakemake.input.parts]
        record = gather_level(image, level, finer, parts, results=results)
    else:
        logs = Path(snakemake.log.timing).parent
        told.update(expectation(image, level, snakemake.threads, logs))
        with Progress(image, level) as progress:
            record = build_level(
                image,
                level,
                finer,
                n_workers=snakemake.threads,
                results=results,
                on_block=progress.update,
                # The list loses the level, so the list's sentinel must go first.
                before_rebuild=lambda: listed.unlink(missing_ok=True),
            )
        told.update(voxels=progress.n_voxels)
    write_sentinel(sentinel, record)
