"""Levels 1 to N: each made of the level before it, which it needs the sentinel of.

A level is one job, or is opened, made in parts and gathered. The parts run side by side.

Requires: results/{image}/levels/{level - 1}.json, that of the image that weighs it, if one does,
and the levels that they speak of.
Makes: results/{image}/levels/{level}.json, written last of all, after the level is complete; of a
level in parts before that results/{image}/parts/{level}.open.json and one sentinel a part.
"""


rule downsample_level:
    input:
        finer=made_before(RUN.finer_sentinel),
        weights=made_before(RUN.weights_sentinel),
        parts=made_before(RUN.part_sentinels),
    output:
        sentinel="<results>/{image}/levels/{level}.json",
    log:
        text="<logs>/{image}/{level}.log",
        timing="<logs>/{image}/{level}.json",
    wildcard_constraints:
        level=r"[1-9]\d*",
    group:
        in_run(RUN.group)
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("downsample_level"),
    params:
        given=handed(image=RUN.settings),
        recipe=of_job(RUN.recipe),
        watch=of_job(RUN.watch),
        step=unwatched(RUN.step),
    message:
        "Building level {wildcards.level} of {wildcards.image}: {params.step}"
    shell:
        job_script("downsample_level")


rule open_level:
    input:
        finer=made_before(RUN.finer_sentinel),
        weights=made_before(RUN.weights_sentinel),
    output:
        sentinel="<results>/{image}/parts/{level}.open.json",
    log:
        text="<logs>/{image}/{level}.open.log",
        timing="<logs>/{image}/{level}.open.json",
    group:
        in_run(RUN.opening_group)
    conda:
        "../../environment.yml"
    resources:
        **needed("open_level"),
    params:
        given=handed(image=RUN.settings),
        recipe=of_job(RUN.recipe),
        watch=of_job(RUN.watch),
        step=unwatched(RUN.step),
    message:
        "Opening level {wildcards.level} of {wildcards.image}: {params.step}"
    shell:
        job_script("open_level")


rule downsample_part:
    input:
        finer=made_before(RUN.finer_sentinel),
        weights=made_before(RUN.weights_sentinel),
        opening="<results>/{image}/parts/{level}.open.json",
    output:
        sentinel="<results>/{image}/parts/{level}.{part}-of-{n_parts}.json",
    log:
        text="<logs>/{image}/{level}.{part}-of-{n_parts}.log",
        timing="<logs>/{image}/{level}.{part}-of-{n_parts}.json",
    wildcard_constraints:
        level=r"\d+",
        part=r"[1-9]\d*",
        n_parts=r"[1-9]\d*",
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("downsample_part"),
    params:
        given=handed(image=RUN.settings),
    message:
        "Building part {wildcards.part} of {wildcards.n_parts} of level {wildcards.level} of {wildcards.image}"
    shell:
        job_script("downsample_part")
