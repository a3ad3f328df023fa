"""Level 0: made where the configuration asks for a test image, taken where it names a source, sealed.

Requires: the group and its level 0, or a test image to make, or a source to take it from.
Makes: results/{image}/levels/0.json, the sentinel that every other level hangs on. A large level 0
of files is opened and made in parts by the rules of levels, and gathered here.
"""


rule make_test_image:
    output:
        sentinel="<results>/{image}/test_image.json",
    log:
        text="<logs>/{image}/test_image.log",
        timing="<logs>/{image}/test_image.json",
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("make_test_image"),
    params:
        image=unwatched(RUN.settings),
        made=lambda wildcards: RUN.settings(Job.of(wildcards))["test_image"],
    message:
        "Making the test image {wildcards.image}"
    script:
        "../../scripts/make_test_image.py"


rule copy_base:
    input:
        parts=made_before(RUN.base_parts),
    output:
        sentinel="<results>/{image}/base_copy.json",
    log:
        text="<logs>/{image}/base_copy.log",
        timing="<logs>/{image}/base_copy.json",
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("copy_base"),
    params:
        image=unwatched(RUN.settings),
        source=of_job(RUN.source),
        taking=unwatched(RUN.taking),
    message:
        "Taking level 0 of {wildcards.image} from {params.taking}"
    script:
        "../../scripts/copy_base.py"


rule seal_base:
    input:
        base_inputs,
    output:
        sentinel="<results>/{image}/levels/0.json",
    log:
        text="<logs>/{image}/0.log",
        timing="<logs>/{image}/0.json",
    group:
        in_run(RUN.group)
    conda:
        "../../environment.yml"
    resources:
        **needed("seal_base"),
    params:
        image=unwatched(RUN.settings),
        watch=of_job(RUN.watch),
        edit_base=lambda wildcards: RUN.settings(Job.of(wildcards))["edit_base"],
        refused=unwatched(RUN.refusal),
    message:
        "Sealing level 0 of {wildcards.image}"
    script:
        "../../scripts/seal_base.py"
