"""Levels 1 to N: each made of the level before it, which it needs the sentinel of.

Requires: results/{image}/levels/{level - 1}.json, and the level that it speaks of.
Makes: results/{image}/levels/{level}.json, written last of all, after the level is complete.
"""


rule downsample_level:
    input:
        finer=finer_sentinel,
    output:
        sentinel="results/{image}/levels/{level}.json",
    log:
        text="logs/{image}/{level}.log",
        timing="logs/{image}/{level}.json",
    wildcard_constraints:
        level=r"[1-9]\d*",
    group:
        image_group
    conda:
        "../../environment.yml"
    threads: block_threads
    params:
        image=image_settings,
        recipe=level_recipe,
        watch=watch_base,
        step=level_step,
    message:
        "Building level {wildcards.level} of {wildcards.image}: {params.step}"
    script:
        "../../scripts/downsample_level.py"
