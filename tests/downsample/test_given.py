"""What a rule hands to the script of a job."""

from __future__ import annotations

import io
import json

from zarrpyramid.downsample import given_job


def test_a_job_has_the_names_of_its_rule():
    said = {
        "input": {"finer": "levels/0.json"},
        "output": {"sentinel": "levels/1.json"},
        "params": {"image": {"name": "brain"}},
        "level": 1,
        "part": 0,
        "n_parts": 3,
        "threads": 2,
    }
    job = given_job(["1.log", "1.json"], io.StringIO(json.dumps(said)))
    assert (job.log, job.timing) == ("1.log", "1.json")
    assert job.input.finer == "levels/0.json"
    assert job.output.sentinel == "levels/1.json"
    assert job.params.image == {"name": "brain"}
    assert (job.level, job.part, job.n_parts, job.threads) == (1, 0, 3, 2)
