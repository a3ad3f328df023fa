"""What a run tells the rules about its jobs: tables of wildcards and answers."""

from __future__ import annotations

import json

import pytest
import zarr

from zarrpyramid.errors import ConfigError
from zarrpyramid.plan.run import Job, Run

MADE = {"shape": [64, 48], "chunks": [16, 16]}  # levels of 64 x 48, 32 x 24 and 16 x 12


@pytest.fixture
def new_run(tmp_path, monkeypatch):
    """Return a function that makes a run of images, each given by its settings."""
    monkeypatch.chdir(tmp_path)

    def make(**images):
        for name, settings in images.items():
            settings.setdefault("store", f"{name}.zarr")
        folder, logs = tmp_path / "out", tmp_path / "logs"
        return Run({"images": images}, results="out", folder=folder, logs=logs)

    return make


@pytest.fixture
def run(new_run, tmp_path):
    """A run of images of every kind of level 0, one of which is not there."""
    zarr.create_group(tmp_path / "theirs.zarr").create_array(
        "0", shape=(64, 48), chunks=(16, 16), dtype="uint16"
    )
    return new_run(
        made={"test_image": MADE, "levels": 2, "label_report": True},
        parted={"test_image": MADE, "levels": 2, "parts": 3},
        copied={"source": "theirs.zarr", "levels": 2},
        given={"base": {**MADE, "dtype": "uint16"}, "base_ready": "ready.txt", "levels": 1},
        owned={"store": "theirs.zarr", "levels": 1},
        absent={},
    )


def sentinels(name, *levels):
    return [f"out/{name}/levels/{level}.json" for level in levels]


def reports(name):
    return [f"out/{name}/{file}" for file in ("multiscales.json", "summary.md", "report.html")]


def test_targets_are_all_sentinels_and_the_first_of_a_refused_image(run):
    assert run.targets() == [
        *(sentinels("made", 0, 1, 2) + reports("made") + ["out/made/labels.json"]),
        *(sentinels("parted", 0, 1, 2) + reports("parted")),
        *(sentinels("copied", 0, 1, 2) + reports("copied")),
        *(sentinels("given", 0, 1) + reports("given")),
        *(sentinels("owned", 0, 1) + reports("owned")),
        *sentinels("absent", 0),
    ]
    assert run.verdicts() == [f"out/{name}/verify.json" for name in run.images]
    assert list(run.refused) == ["absent"]
    assert run.found["absent"] is None


INPUTS = [
    ("base_sentinel", {"image": "made"}, ["out/made/test_image.json"]),
    ("base_sentinel", {"image": "copied"}, ["out/copied/base_copy.json"]),
    ("base_sentinel", {"image": "given"}, []),
    ("base_sentinel", {"image": "owned"}, []),
    ("finer_sentinel", {"image": "made", "level": "2"}, "out/made/levels/1.json"),
    ("level_sentinels", {"image": "owned"}, sentinels("owned", 0, 1)),
    ("part_sentinels", {"image": "made", "level": "1"}, []),
    (
        "part_sentinels",
        {"image": "parted", "level": "1"},
        [f"out/parted/parts/1.{part}-of-3.json" for part in (1, 2, 3)],
    ),
]


@pytest.mark.parametrize(("name", "wildcards", "expected"), INPUTS)
def test_inputs(run, name, wildcards, expected):
    assert getattr(run, name)(run.job(wildcards)) == expected


JOBS = [
    # Threads are chunks that can be made side by side; gathering parts is one thread's work.
    ({"image": "made"}, 12, "made-levels-0"),
    ({"image": "made", "level": "1"}, 4, "made-levels-0"),
    ({"image": "parted", "level": "0"}, 12, "parted-levels-0"),
    ({"image": "parted", "level": "1"}, 1, "parted-levels-1"),
    ({"image": "parted", "level": "2"}, 1, "parted-levels-1"),  # of one chunk, hence in one part
]


@pytest.mark.parametrize(("wildcards", "threads", "group"), JOBS)
def test_threads_and_groups(run, wildcards, threads, group):
    job = run.job(wildcards)
    assert (run.threads(job), run.group(job)) == (threads, group)


def test_what_opens_a_level_is_submitted_with_the_level_before(run):
    assert run.opening_group(Job(image="parted", level=1)) == "parted-levels-0"
    assert run.last_group(Job(image="parted")) == run.group(Job(image="parted", level=2))
    part = run.job({"image": "parted", "level": "1", "part": "2", "n_parts": "3"})
    assert run.threads(part) == 2


def test_a_job_has_at_most_32_threads_and_a_refused_or_unknown_image_no_group(run, new_run):
    large = new_run(large={"test_image": {"shape": [256, 256], "chunks": [16, 16]}})
    assert large.threads(Job(image="large")) == 32
    assert run.group(Job(image="absent")) is None
    assert run.group(Job(image="nobody")) is None


REFUSALS = [
    ({"image": "maed"}, "there is no image maed; did you mean 'made'?"),
    ({"image": "absent", "level": "0"}, "absent.zarr"),
    ({"image": "made", "level": "3"}, "image made has no level 3; its last is 2"),
    ({"image": "parted", "level": "9", "part": "1", "n_parts": "3"}, "parted has no level 9"),
    ({"image": "parted", "level": "1", "part": "1", "n_parts": "2"}, "level 1 of parted has 3"),
    ({"image": "parted", "level": "1", "part": "4", "n_parts": "3"}, "level 1 of parted has 3"),
]


@pytest.mark.parametrize(("wildcards", "message"), REFUSALS)
def test_jobs_that_there_are_not(run, wildcards, message):
    with pytest.raises(ConfigError) as refused:
        run.job(wildcards)
    assert message in str(refused.value)


def test_a_run_refuses_what_stands_in_its_way_when_asked_to_check(run, tmp_path):
    (tmp_path / "given.zarr/1").mkdir(parents=True)
    (tmp_path / "given.zarr/1/mine.txt").write_text("mine")
    assert run.refusal(Job(image="made")) == ""
    assert "mine.txt" in run.refusal(Job(image="given"))  # as the job of the image asks
    assert list(run.refused) == ["absent"]
    run.check()
    assert list(run.refused) == ["given", "absent"]
    assert sentinels("given", 0)[0] in run.targets()
    assert sentinels("given", 1)[0] not in run.targets()
    assert run.watch(Job(image="given")) is None


def test_an_image_in_a_level_of_another_one_is_refused(new_run):
    run = new_run(
        outer={"test_image": MADE, "levels": 1}, inner={"store": "outer.zarr/1", "test_image": MADE}
    )
    assert list(run.refused) == ["inner"]
    assert "lies in" in run.refused["inner"]


def test_what_makes_jobs_run_again(run, tmp_path):
    made, level = Job(image="made"), Job(image="made", level=1)
    assert run.settings(made)["test_image"]["shape"] == (64, 48)
    assert run.recipe(level)["shape"] == [32, 24]
    assert "compressor" not in run.recipe(level)
    assert run.listed(made)[1]["factors"] == [[2, 2], [2, 2]]
    assert run.step(level) == "factors 2 x 2, shape 32 x 24, voxel size 2 x 2"
    assert run.source(made) == [None, False, None]
    copied, owned = Job(image="copied"), Job(image="owned")
    source = run.source(copied)
    assert source[:2] == [str(tmp_path / "theirs.zarr/0"), True]
    assert source[2] == run.watch(copied) == run.watch(owned)
    assert run.watch(Job(image="owned", level=1)) == run.watch(owned)
    assert run.watch(Job(image="owned", level=2)) is None
    assert run.timings(made) == str(tmp_path / "logs/made")


def test_a_recipe_names_codecs_that_are_given(new_run):
    run = new_run(made={"test_image": MADE, "levels": 1, "compressor": "zstd", "checksum": True})
    recipe = run.recipe(Job(image="made", level=1))
    assert (recipe["compressor"], recipe["checksum"]) == ("zstd", True)


def test_level_0_that_the_run_may_make_is_looked_at_again(run, tmp_path):
    owned, given = Job(image="owned"), Job(image="given")
    before = run.watch(owned), run.watch(given)
    for name in ("theirs.zarr", "given.zarr"):
        group = zarr.open_group(tmp_path / name, mode="a")
        array = group.require_array("0", shape=(64, 48), chunks=(16, 16), dtype="uint16")
        array[:4] = 7
    assert run.watch(owned) == before[0]
    assert run.watch(given) != before[1]


def test_resources(run, tmp_path):
    names = {"mem_mb", "runtime", "disk_mb"}
    refused = run.resources("seal_base", Job(image="absent"), 1)
    documents = run.resources("seal_base", Job(image="made"), 1)
    assert set(refused) == set(documents) == names
    gathered = run.resources("downsample_level", Job(image="parted", level=1), 1)
    assert gathered == run.resources("open_level", Job(image="parted", level=1), 1)
    one = run.resources("downsample_part", Job(image="parted", level=1, part=1, n_parts=3), 1)
    assert one["disk_mb"] >= 1
    base = run.resources("copy_base", Job(image="copied"), 2)
    assert base["mem_mb"] > documents["mem_mb"]
    labels = run.resources("report_labels", Job(image="made"), 2)
    made = run.resources("make_test_image", Job(image="made"), 2)
    assert labels["mem_mb"] >= made["mem_mb"]


def test_the_last_run_tells_how_long_jobs_take(new_run, tmp_path):
    image = {"test_image": {"shape": [4096, 4096], "chunks": [256, 256]}, "levels": 1}
    job = Job(image="made", level=1)
    default = new_run(made=dict(image)).resources("downsample_level", job, 1)
    told = {"voxels": 1 << 24, "seconds": 600.0, "n_workers": 1}
    (tmp_path / "logs/made").mkdir(parents=True)
    (tmp_path / "logs/made/1.json").write_text(json.dumps(told))
    slow = new_run(made=dict(image)).resources("downsample_level", job, 1)
    assert slow["runtime"] > default["runtime"]
    assert slow["mem_mb"] == default["mem_mb"]


def test_images_are_built_when_their_levels_are_listed(run, tmp_path):
    assert run.built(tmp_path / "out") == []
    (tmp_path / "out/made").mkdir(parents=True)
    (tmp_path / "out/made/multiscales.json").write_text("{}")
    assert run.built(tmp_path / "out") == [run.found["made"]]


@pytest.fixture
def weighed(new_run):
    def make(other=None, **settings):
        image = {"store": "sim.zarr", "test_image": MADE, "levels": 2}
        heat = {**image, "field": "heat", "weights": "mass", **settings}
        return new_run(heat=heat, mass={**image, "field": "mass", **(other or {})})

    return make


def test_a_level_waits_for_the_level_before_of_its_weights(weighed):
    run = weighed(parts=2)
    assert run.refused == {}
    for level in (1, 2):
        job = Job(image="heat", level=level)
        assert run.weights_sentinel(job) == sentinels("mass", level - 1)
        assert run.recipe(job)["recipe"]["weights"] == "../mass"
        assert run.weights_sentinel(Job(image="mass", level=level)) == []
    assert run.weights_sentinel(Job(image="heat", level=0)) == []


UNWEIGHED = [
    ({"weights": "mess"}, {}, "mess is no image of this run; did you mean 'mass'?",
     {"weights": "mass"}, {}),
    ({}, {"weights": "heat"}, "images weigh each other; leave weights out", {}, {"weights": ""}),
    ({}, {"test_image": {**MADE, "shape": [64, 32]}}, r"level 0 of shape [64, 32]", {},
     {"test_image": MADE}),
    ({}, {"scale_factors": 3}, "factors [3, 3], the image [32, 24] and [2, 2]", {},
     {"scale_factors": 2}),
    ({"levels": 3}, {"levels": 1}, "has 1 levels, the image 3; give both", {}, {"levels": 3}),
    ({}, {"test_image": None}, "image mass is not built: there is no", {}, {"test_image": MADE}),
    ({}, {"test_image": None, "base": {**MADE, "dtype": "complex64"}}, "is of complex64", {},
     {"test_image": MADE, "base": None}),
]  # fmt: skip


@pytest.mark.parametrize(("mine", "other", "what", "way_out", "others_way_out"), UNWEIGHED)
def test_an_image_without_weights_that_fit_is_refused(
    weighed, mine, other, what, way_out, others_way_out
):
    refused = weighed(other, **mine).refused["heat"]
    assert refused.startswith("image heat: weights ")
    assert what in refused
    assert weighed({**other, **others_way_out}, **{**mine, **way_out}).refused == {}


def test_images_with_weights_have_a_job_a_level(new_run, tmp_path):
    names = [f"i{n}" for n in range(40)]
    group = zarr.create_group(tmp_path / "many.zarr")
    for name in names:
        group.create_group(name).create_array("0", shape=(8, 8), chunks=(4, 4), dtype="u1")
    image = {"store": "many.zarr", "levels": 1}
    images = {name: {**image, "field": name} for name in names}
    images["i3"]["weights"] = "i7"
    run = new_run(**images)
    assert run.refused == {}
    assert {*names} - run.batches.names == {"i3", "i7"}
