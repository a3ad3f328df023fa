"""What a rule hands to the script of a job."""

from __future__ import annotations

import io

from zarrpyramid.downsample import given_job, hand_job
from zarrpyramid.plan import Job


def test_a_job_has_the_names_of_its_rule():
    files = {"finer": "levels/0.json", "parts": ["parts/1.1-of-2.json", "parts/1.2-of-2.json"]}
    handed = hand_job(
        Job(image="brain", level=1),
        files,
        {"sentinel": "levels/1.json"},
        4,
        {"image": {"name": "brain"}},
    )
    job = given_job(["1.log", "1.json"], io.StringIO(handed))
    assert (job.log, job.timing) == ("1.log", "1.json")
    assert vars(job.input) == {"finer": "levels/0.json"}  # of the parts there are too many
    assert job.output.sentinel == "levels/1.json"
    assert job.params.image == {"name": "brain"}
    assert (job.level, job.part, job.n_parts, job.threads) == (1, 0, 2, 4)
