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
    group:
        in_run(RUN.group)
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("make_test_image"),
    params:
        given=handed(image=RUN.settings),
        made=lambda wildcards: RUN.settings(Job.of(wildcards)).get("test_image"),
    message:
        "Making the test image {wildcards.image}"
    shell:
        job_script("make_test_image")


rule copy_base:
    input:
        parts=made_before(RUN.base_parts),
    output:
        sentinel="<results>/{image}/base_copy.json",
    log:
        text="<logs>/{image}/base_copy.log",
        timing="<logs>/{image}/base_copy.json",
    group:
        in_run(RUN.group)
    conda:
        "../../environment.yml"
    threads: of_job(RUN.threads)
    resources:
        **needed("copy_base"),
    params:
        given=handed(image=RUN.settings),
        source=of_job(RUN.source),
        taking=unwatched(RUN.taking),
    message:
        "Taking level 0 of {wildcards.image} from {params.taking}"
    shell:
        job_script("copy_base")


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
        given=handed(image=RUN.settings, refused=RUN.refusal),
        watch=of_job(RUN.watch),
        edit_base=lambda wildcards: RUN.settings(Job.of(wildcards)).get("edit_base", True),
    message:
        "Sealing level 0 of {wildcards.image}"
    shell:
        job_script("seal_base")
