"""The list of levels in the group's attributes, which makes them an image that viewers open.

Requires: the sentinels of all levels.
Makes: results/{image}/multiscales.json, a copy of what the group lists.
"""


rule write_multiscales:
    input:
        levels=made_before(RUN.level_sentinels),
    output:
        sentinel="<results>/{image}/multiscales.json",
    log:
        text="<logs>/{image}/multiscales.log",
        timing="<logs>/{image}/multiscales.json",
    group:
        in_run(RUN.last_group)
    conda:
        "../../environment.yml"
    resources:
        **needed("write_multiscales"),
    params:
        given=handed(image=RUN.settings),
        listed=of_job(RUN.listed),
    message:
        "Listing the levels of {wildcards.image}"
    shell:
        job_script("write_multiscales")
