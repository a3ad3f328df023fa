"""One run over images of many kinds: voxels, records and lists of what comes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import ome_zarr_models
import pytest
import yaozarrs
import zarr

from oracles import mean_by_hand

DATA = Path(__file__).parents[1] / "data"

AXES = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
WINDOW = {"start": 0, "end": 65535, "min": 0, "max": 65535}
BEFORE = {
    "ome": {
        "version": "0.5",
        "omero": {"channels": [{"color": "FFFFFF", "window": WINDOW}]},
        "multiscales": [
            {
                "name": "left hemisphere",
                "axes": AXES,
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [2.0, 0.5, 0.5]},
                            {"type": "translation", "translation": [10.0, 0.0, -4.0]},
                        ],
                    }
                ],
                "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0]}],
            }
        ],
    },
    "acquisition": {"operator": "Ada", "laser": [488, 561]},
}

# name: (group, shape, keywords of the array, keys of the image, factors of each level)
IMAGES = {
    "v3-known-scale": (
        "scaled.zarr/raw/488",
        (21, 18, 13),
        {"attributes": BEFORE},
        {"scale_factors": [[2, 2, 2], [2, 2, 1]]},
        [(2, 2, 2), (2, 2, 1)],
    ),
    "v2-root": (
        "v2.zarr",
        (9, 18, 13),
        {"zarr_format": 2, "dtype": "int16", "attributes": {"lab": "kept"}},
        {
            "scale_factors": {"y": 2, "x": 3},
            "levels": 2,
            "voxel_size": {"z": 1.5, "x": 0.25},
            "unit": {"z": "micrometer", "x": "micrometer"},
        },
        [(1, 2, 3), (1, 2, 3)],
    ),
    "v3-shards-channels": (
        "shards.zarr/raw",
        (2, 5, 19, 21),
        {"dtype": "float32", "chunks": (1, 4, 4, 4), "shards": (1, 8, 8, 8)},
        {"levels": 2, "scale_factors": [1, 1, 2, 2]},
        [(1, 1, 2, 2), (1, 1, 2, 2)],
    ),
    "v3-other-chunks": (
        "chunks.zarr/raw",
        (17, 23),
        {"dtype": "bool"},
        {"chunks": [5, 7], "scale_factors": 3, "levels": 2},
        [(3, 3), (3, 3)],
    ),
    "v3-line": (
        "line.zarr/raw",
        (37,),
        {"dtype": "uint8"},
        {"levels": 3},
        [(2,), (2,), (2,)],
    ),
}  # fmt: skip
LISTED = [name for name in IMAGES if name != "v3-line"]


@pytest.fixture(scope="module")
def gallery(new_workspace):
    """A workspace in which all images were built by one run of a config file, and the run."""
    workspace, images = new_workspace(), {}
    for name, (group, shape, array, keys, _) in IMAGES.items():
        workspace.make(group, shape, **array)
        store, _, field = group.partition("/")
        images[name] = {"store": store, "field": field, **keys}
    config = workspace.write("images.yaml", json.dumps({"images": images}))
    return workspace, workspace.run("--configfile", str(config))


@pytest.mark.parametrize("name", IMAGES)
def test_levels_are_means_of_the_one_before(gallery, name):
    workspace, _ = gallery
    group, _, _, _, factors = IMAGES[name]
    finer = workspace.voxels(f"{group}/0")
    for level, step in enumerate(factors, start=1):
        finer = mean_by_hand(finer, step)
        np.testing.assert_array_equal(workspace.voxels(f"{group}/{level}"), finer, strict=True)
    assert not (workspace / f"{group}/{len(factors) + 1}").exists()


@pytest.mark.parametrize("name", LISTED)
def test_both_validators_take_the_image(gallery, name):
    workspace, _ = gallery
    group, version = IMAGES[name][0], "0.4" if name.startswith("v2") else "0.5"
    assert (
        ome_zarr_models.open_ome_zarr(workspace / group, version=version).ome_zarr_version
        == version
    )
    yaozarrs.validate_zarr_store(workspace / group)
    opened = yaozarrs.open_group(workspace / group)
    assert type(opened.ome_metadata()).__module__.startswith(
        f"yaozarrs.v{version.replace('.', '')}"
    )


@pytest.mark.parametrize("name", IMAGES)
def test_a_sentinel_is_the_record_that_its_level_carries(gallery, name):
    workspace, _ = gallery
    group, shape, _, _, factors = IMAGES[name]
    sentinels = {level: json.loads(data) for level, data in workspace.sentinels(name).items()}
    assert list(sentinels) == [str(level) for level in range(len(factors) + 1)]
    assert sentinels["0"]["shape"] == list(shape)
    for level, step in enumerate(factors, start=1):
        array, sentinel = workspace.array(f"{group}/{level}"), sentinels[str(level)]
        assert array.attrs["zarrpyramid"] == sentinel
        assert sentinel["shape"] == list(array.shape)
        assert sentinel["recipe"]["factors"] == list(step)
        voxels = array[...].astype(np.float64)
        found = [sentinel[key] for key in ("min", "max", "mean")]
        np.testing.assert_allclose(found, [voxels.min(), voxels.max(), voxels.mean()], rtol=1e-12)


def test_levels_inherit_format_chunks_and_names(gallery):
    workspace, _ = gallery
    sharded = workspace.array("shards.zarr/raw/2")
    # 5 x 5 x 6 voxels are two chunks of 4 an axis: the shards of 8 fit as they are.
    assert (sharded.chunks, sharded.shards) == ((1, 4, 4, 4), (1, 8, 8, 8))
    assert sharded.metadata.dimension_names == ("c", "z", "y", "x")
    assert workspace.array("shards.zarr/raw/0").metadata.dimension_names == ("c", "z", "y", "x")
    assert workspace.array("chunks.zarr/raw/1").chunks == (5, 7)
    assert workspace.array("v2.zarr/1").metadata.zarr_format == 2


@pytest.mark.parametrize(
    ("name", "golden"),
    [("v3-known-scale", "multiscales_0.5.json"), ("v2-root", "multiscales_0.4.json")],
)
def test_attributes_are_golden(gallery, name, golden):
    workspace, _ = gallery
    attributes = dict(zarr.open_group(workspace / IMAGES[name][0], mode="r").attrs)
    expected = json.loads((DATA / golden).read_bytes())
    assert attributes == expected
    # The sentinel of the list is a copy of it.
    listed = expected.get("ome", expected)["multiscales"][0]
    assert workspace.document(f"results/{name}/multiscales.json") == listed


def test_a_line_is_not_listed_and_that_is_said_once(gallery):
    workspace, outcome = gallery
    assert dict(zarr.open_group(workspace / "line.zarr/raw", mode="r").attrs) == {}
    log = (workspace / "logs/v3-line/multiscales.log").read_text(encoding="utf-8")
    assert log.count("OME-NGFF lists only images with two or three space axes") == 1
    assert outcome.text.count("OME-NGFF lists only images with two or three space axes") == 1


def test_the_last_lines_say_where_all_pyramids_are(gallery):
    workspace, outcome = gallery
    complete, report, look, unsized = outcome.lines[-4:]
    n_levels = sum(len(image[4]) for image in IMAGES.values())
    assert complete.startswith(
        f"zarrpyramid: the pyramids of {len(IMAGES)} images are complete ({n_levels} levels made)"
    )
    page = workspace / "results/index.html"
    assert report == f"  report: {page}"
    assert page.exists()
    assert look.endswith(str(workspace / next(iter(IMAGES.values()))[0]))
    assert "voxel size unknown along " in unsized


@pytest.mark.parametrize("name", IMAGES)
def test_the_table_has_a_row_a_level(gallery, name):
    workspace, _ = gallery
    table = (workspace / f"results/{name}/summary.md").read_text(encoding="utf-8")
    levels = table[: table.index("\n\n| setting |")]
    header, _, *rows = [line for line in levels.splitlines() if line.startswith("|")]
    columns = [cell.strip() for cell in header.strip("|").split("|")]
    records = [json.loads(data) for data in workspace.sentinels(name).values()]
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        cells = dict(
            zip(columns, (cell.strip() for cell in row.strip("|").split("|")), strict=True)
        )
        assert cells["shape"] == " x ".join(map(str, record["shape"]))
        assert float(cells["seconds"]) >= 0
        if record["level"]:
            assert float(cells["mean"]) == pytest.approx(record["mean"], rel=1e-9)
            assert cells["digest"].strip("`") == record["digest"]


def test_a_second_run_does_nothing(gallery):
    workspace, _ = gallery
    before = workspace.files(".")
    outcome = workspace.run("--configfile", str(workspace / "images.yaml"))
    assert outcome.jobs == []
    assert "Nothing to be done" in outcome.text
    written = {path for path, state in workspace.files(".").items() if before.get(path) != state}
    assert {path.split("/")[0] for path in written} <= {".snakemake"}


def test_nothing_in_a_store_is_an_input_or_an_output(gallery):
    workspace, _ = gallery
    config = ["--configfile", str(workspace / "images.yaml")]
    done = workspace.run("--detailed-summary", *config)
    header, *rows = [line.split("\t") for line in done.lines if "\t" in line]
    output, inputs = header.index("output_file"), header.index("input-file(s)")
    store = {path for row in rows for path in [row[output], *row[inputs].split(",")] if path}
    n_levels = sum(len(factors) + 1 for *_, factors in IMAGES.values())
    assert len(rows) == n_levels + 3 * len(IMAGES)  # list, table, page
    assert {path.split("/")[0] for path in store} == {"results"}
