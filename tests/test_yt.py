"""Pyramids in yt and fields of yt as pyramids: values against the arrays and `covering_grid`.

Tests with the marker `system` need yt; the others check geometry and refusals without it.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from zarrpyramid import build_pyramid
from zarrpyramid.errors import PyramidError
from zarrpyramid.geometry import coarse_shape
from zarrpyramid.yt import load_pyramid, sample_fields, write_viewer_field
from zarrpyramid.yt.frame import Frame, ngff_unit
from zarrpyramid.yt.grids import list_grids
from zarrpyramid.yt.ladder import Ladder, find_ladder
from zarrpyramid.yt.voxels import LevelVoxels

SIZES = {"z": 2.0, "y": 1.0, "x": 0.5}


def make_pyramid(path, shape=(37, 22, 41), *, name="density", chunks=8, dtype="f4", **settings):
    """Write random voxels, and build two coarser levels; return the group."""
    group = zarr.open_group(path, mode="a").require_group(name)
    voxels = np.random.default_rng(0).random(shape) * 200
    group.create_array("0", data=voxels.astype(dtype), chunks=(chunks,) * len(shape))
    defaults = {"levels": 2, "scale_factors": 2, "voxel_size": SIZES, "unit": "parsec"}
    build_pyramid(path, name, **{**defaults, **settings})
    return zarr.open_group(path / name)


@given(
    finest=st.tuples(*[st.integers(2, 40)] * 3),
    n_steps=st.integers(0, 3),
    factor=st.sampled_from([2, 4]),
    chunks=st.lists(st.tuples(*[st.integers(1, 20)] * 3), min_size=4, max_size=4),
)
def test_grids_are_what_yt_demands(finest, n_steps, factor, chunks):
    shapes = [finest]
    for _ in range(n_steps):
        shapes.append(coarse_shape(shapes[-1], (factor,) * 3))
    ladder = Ladder(levels=tuple(range(n_steps + 1)), shapes=tuple(shapes), factor=factor)
    grids = list(list_grids(ladder, chunks))
    steps = [grid.step for grid in grids]
    assert steps == sorted(steps, reverse=True)  # the coarsest first
    for step, shape in enumerate(shapes):
        boxes = [grid.region for grid in grids if grid.step == step]
        covered = Counter()
        for box in boxes:
            covered[math.prod(side.stop - side.start for side in box)] += 1
        is_top = step == n_steps
        whole = shape if is_top else tuple(n * factor for n in shapes[step + 1])
        # Boxes that do not overlap and have the volume of the whole cover it once.
        assert sum(size * n for size, n in covered.items()) == math.prod(whole)
        starts = [tuple(side.start for side in box) for box in boxes]
        assert len(set(starts)) == len(starts)
        for box in boxes:
            assert all(side.start < n for side, n in zip(box, shape, strict=True))  # some voxels
        if is_top:
            continue
        assert all(side.start % factor == side.stop % factor == 0 for box in boxes for side in box)
        above = [grid.region for grid in grids if grid.step == step + 1]
        for box in boxes:
            assert any(
                all(
                    out.start * factor <= side.start and side.stop <= out.stop * factor
                    for side, out in zip(box, outer, strict=True)
                )
                for outer in above
            )


def test_chunks_of_even_lengths_are_one_grid_each():
    ladder = Ladder(levels=(0, 1), shapes=((130, 128, 64), (65, 64, 32)), factor=2)
    grids = list(list_grids(ladder, [(64, 64, 64), (64, 64, 32)]))
    assert Counter(grid.step for grid in grids) == {0: 3 * 2 * 1, 1: 2}
    assert grids[-1].region == (slice(128, 130), slice(64, 128), slice(0, 64))


@given(
    st.floats(-1e3, 1e3), st.floats(1e-6, 1e6), st.integers(1, 50), st.sampled_from([2, 4]),
    st.integers(0, 3),
)  # fmt: skip
def test_edges_that_levels_share_have_the_same_bits(left, width, coarsest, factor, steps):
    frame = Frame(unit="kpc", left_edge=(left,) * 3, voxel=(width,) * 3)
    count = coarsest * factor**steps
    edges = [frame.edges(0, count, factor**step) for step in range(steps + 1)]
    assert all(fine[::factor] == coarse for fine, coarse in pairwise(edges))
    assert edges[0][-1] == frame.edge(0, count)


LADDERS = [
    # reason, shapes, sizes, the factor or what is said
    ("a cube", [(8, 8, 8), (4, 4, 4)], [1, 2], 2),
    ("odd extents", [(7, 5, 9), (4, 3, 5), (2, 2, 3)], [1, 2, 4], 2),
    ("by four", [(64, 64, 64), (16, 16, 16)], [1, 4], 4),
    ("one level", [(7, 5, 9)], [1], 1),
    ("a plane", [(8, 8, 1), (4, 4, 1)], [(1, 1, 1), (2, 2, 1)], 2),
    ("a plane whose z is said to grow", [(8, 8, 1), (4, 4, 1)], [1, 2], 2),
    ("by three", [(9, 9, 9), (3, 3, 3)], [1, 3], "divided by x 3, y 3, z 3; .*give levels=.0.$"),
    ("z left out", [(8, 8, 8), (4, 4, 8)], [1, (2, 2, 1)], "x 2, y 2, z 1; .*levels=.0.$"),
    ("z left out first", [(8, 8, 4), (4, 4, 4), (2, 2, 2)], [1, (2, 2, 1), (4, 4, 2)],
     r"level 1 is level 0 divided by x 2, y 2, z 1; .*levels=\[1, 2\]$"),
    ("by two, then four", [(32, 32, 32), (16, 16, 16), (4, 4, 4)], [1, 2, 8],
     r"level 2 is level 1 divided by x 4, .*levels=\[0, 1\]$"),
    ("rounded down", [(9, 9, 9), (4, 4, 4)], [1, 2], "x 2.25, y 2.25, z 2.25; .*rounded up"),
    ("one slice is left", [(8, 8, 3), (4, 4, 2), (2, 2, 1)], [1, 2, 4], r"plane.*levels=\[0, 1\]$"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "sizes", "expected"), [row[1:] for row in LADDERS], ids=[row[0] for row in LADDERS]
)
def test_ladders_that_yt_can_have(shapes, sizes, expected):
    each = [size if isinstance(size, tuple) else (size,) * 3 for size in sizes]
    numbers = range(len(shapes))
    if isinstance(expected, int):
        assert find_ladder("a", numbers, shapes, each).factor == expected
    else:
        with pytest.raises(PyramidError, match=expected):
            find_ladder("a", numbers, shapes, each)


def test_voxels_are_read_along_x_y_z_and_repeated_beyond_the_image(tmp_path):
    group = make_pyramid(
        tmp_path, (2, 9, 10, 11), levels=1, voxel_size={}, unit={}, axes=list("czyx")
    )
    from zarrpyramid.verify import find_pyramid

    pyramid = find_pyramid(str(tmp_path / "density"))
    level = pyramid.levels[0]
    voxels = LevelVoxels(pyramid.store, level.at, level.array, list("czyx"), {"c": 1})
    assert (voxels.shape, voxels.chunks) == ((11, 10, 9), (8, 8, 8))
    whole = np.pad(group["0"][1].T, [(0, 1), (0, 2), (0, 3)], mode="edge")
    for region in product((slice(0, 12), slice(5, 9)), (slice(3, 12),), (slice(7, 12),)):
        assert np.array_equal(voxels.read(region), whole[region])


def test_units_of_yt_as_ome_ngff_has_them():
    assert ngff_unit("code_length", "galaxy") == (None, 1.0)


REFUSED = [
    # reason, arguments, what is said
    ("absent field", {"fields": "densty"}, "no zarr group .*did you mean 'density'"),
    ("no field", {"fields": []}, "found no fields"),
    ("other shape", {"fields": ["density", "other"]}, r"other has levels of \[12, 12, 12\]"),
    ("a name twice", {"fields": ["density", "run/density"]}, "two of the fields are called"),
    ("absent level", {"fields": "density", "levels": [0, 7]}, r"some of \[0, 1, 2\]"),
    ("coarsest first", {"fields": "density", "levels": [1, 0]}, "the finest first"),
    ("no chunks a grid", {"fields": "density", "grid_chunks": 0}, "from 1 on"),
    ("axis in at", {"fields": "density", "at": {"t": 0}}, r"at names axis 't'.*: \[\]"),
    ("several channels", {"fields": "channels"}, "2 images along axis 'c'.*at={'c': 0}"),
    ("channel 2", {"fields": "channels", "at": {"c": 2}}, "expected 0 to 1"),
    ("unit of no field", {"fields": "density", "units": {"densty": "K"}}, "mean 'density'"),
    ("factors of the axes", {"fields": "flat"}, r"x 2, y 2, z 1; .*levels=\[0\]$"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    make_pyramid(path)
    make_pyramid(path, name="run/density")
    make_pyramid(path, (12, 12, 12), name="other", chunks=4)
    make_pyramid(path, (2, 12, 12, 12), name="channels", chunks=4, voxel_size={}, unit={})
    make_pyramid(path, (8, 16, 16), name="flat", chunks=4, levels=1, scale_factors=[1, 2, 2])
    (path / "empty").mkdir()
    zarr.create_group(path / "empty")
    return path


@pytest.mark.parametrize(
    ("arguments", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_yt_cannot_have_is_refused_in_one_line(images, arguments, said):
    with pytest.raises(PyramidError, match=said) as caught:
        load_pyramid(images, **arguments)
    assert "\n" not in str(caught.value)


def test_a_group_without_levels_is_refused(images):
    with pytest.raises(PyramidError, match="has no array 0"):
        load_pyramid(images, "empty")


def test_what_a_group_says_to_yt_is_checked(images, tmp_path):
    group = make_pyramid(tmp_path, (8, 8, 8), chunks=4)
    group.attrs["yt"] = {"left_edge": [0, 0]}
    with pytest.raises(PyramidError, match=r"its attribute 'yt' is .* three numbers"):
        load_pyramid(tmp_path, "density")


def test_a_copy_for_viewers(tmp_path):
    group = make_pyramid(tmp_path, dtype="f8")
    voxels = group["0"][:]
    voxels[0, 0, :3] = 0, -1, np.inf
    group["0"][:] = voxels
    group.attrs["yt"] = {"length_unit": "kpc", "unit": "K", "left_edge": [1.0, 2.0, 3.0]}
    records = write_viewer_field(tmp_path, "density")
    copy = zarr.open_group(tmp_path / "density_log10", mode="r")
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.log10(voxels).astype("f4")
    expected[0, 0, :3] = np.nan
    assert copy["0"].dtype == "float32"
    assert np.array_equal(copy["0"][:], expected, equal_nan=True)
    assert [record["shape"] for record in records] == [[37, 22, 41], [19, 11, 21], [10, 6, 11]]
    assert np.isfinite(copy["1"][:]).all()  # NaN is left out of means
    assert copy.attrs["yt"] == {**group.attrs["yt"], "unit": ""}
    listed, before = (each.attrs["ome"]["multiscales"][0] for each in (copy, group))
    assert listed["axes"] == before["axes"]
    assert listed["datasets"] == before["datasets"]
    write_viewer_field(tmp_path, "density", log10=False, into="plain")
    assert np.array_equal(zarr.open_array(tmp_path / "plain/0")[:], voxels.astype("f4"))
    with pytest.raises(PyramidError, match="is there already"):
        write_viewer_field(tmp_path, "density")
    with pytest.raises(PyramidError, match="method"):
        write_viewer_field(tmp_path, "density", into="other", method="maen")
    assert not (tmp_path / "other").exists()


# With yt.


@pytest.fixture
def yt():
    import yt

    yt.set_log_level("error")
    return yt


def levels_of(group, n):
    """Return the arrays of a pyramid along x, y, z, the coarsest first: yt's refinements."""
    return [group[str(number)][:].T for number in reversed(range(n))]


@pytest.mark.system
@pytest.mark.parametrize(
    ("shape", "chunks", "factor"),
    [
        ((64, 32, 48), 16, 2),
        ((37, 22, 41), 8, 2),
        ((37, 22, 41), 7, 2),  # chunks that cross those of the coarser level
        ((70, 33, 65), 16, 4),
        ((45, 38), 8, 2),
    ],
)
def test_refinements_are_the_levels(yt, tmp_path, shape, chunks, factor):
    axes = "zyx"[-len(shape) :]
    sizes = {name: {"z": 0.3, "y": 0.1, "x": 0.7}[name] for name in axes}
    group = make_pyramid(
        tmp_path, shape, chunks=chunks, scale_factors=factor, voxel_size=sizes, unit={}
    )
    ds = load_pyramid(tmp_path, ["density"])
    assert ds.max_level == 2
    for level, expected in enumerate(levels_of(group, 3)):
        grid = ds.covering_grid(level, left_edge=ds.domain_left_edge, dims=[*expected.shape, 1][:3])
        found = grid["stream", "density"].d
        assert np.array_equal(found.reshape(expected.shape), expected)
    # The image and nothing else; x varies last in the array.
    corner = ds.arr(ds.parameters["image_right_edge"], "code_length")
    box = ds.box(ds.domain_left_edge, corner)
    voxels = group["0"][:].astype("f8")
    found = box["stream", "density"].d
    assert np.array_equal(np.sort(found), np.sort(voxels.ravel()))


@pytest.mark.system
@pytest.mark.parametrize("axis", "xyz")
def test_projections_and_slices(yt, tmp_path, axis):
    group = make_pyramid(tmp_path)
    ds = load_pyramid(tmp_path, "density", units={"density": "g/cm**3"}, length_unit="pc")
    n = "xyz".index(axis)
    voxels = group["0"][:].T.astype("f8")
    corner = ds.arr(ds.parameters["image_right_edge"], "code_length")
    box = ds.box(ds.domain_left_edge, corner)
    across, up = ds.coordinates.x_axis[n], ds.coordinates.y_axis[n]
    bounds = [edge[side] for side in (across, up) for edge in (ds.domain_left_edge, corner)]
    counts = (voxels.shape[across], voxels.shape[up])

    def image(plane, unit):
        found = yt.FixedResolutionBuffer(plane, bounds, counts)["gas", "density"]
        return found.to_value(unit)

    def turned(plane):
        return plane.T if across < up else plane

    column = voxels.sum(n) * SIZES[axis]
    found = image(ds.proj(("gas", "density"), n, data_source=box), "g/cm**3*pc")
    np.testing.assert_allclose(found, turned(column), rtol=1e-12)
    place = ds.domain_left_edge[n] + 7.4 * ds.quan(SIZES[axis], "pc")
    found = image(ds.slice(n, place, data_source=box), "g/cm**3")
    assert np.array_equal(found, turned(voxels.take(7, n)))


@pytest.mark.system
@pytest.mark.parametrize(("method", "shape"), [("mean", (32, 48, 64)), ("sum", (37, 22, 41))])
def test_weighted_projections_are_those_of_every_level(yt, tmp_path, method, shape):
    """Temperature by mass, projected by yt with its weights from each level, and from level 0."""
    make_pyramid(tmp_path, shape, dtype="f8", method=method)
    group = make_pyramid(tmp_path, shape, name="temperature", dtype="f8", weights="density")
    base = {
        name: zarr.open_array(tmp_path / name / "0")[:].T for name in ("density", "temperature")
    }
    if method == "mean":  # yt's weights of a level are its densities times its extents
        units = {"density": "g/cm**3", "temperature": "K"}
        ds = load_pyramid(tmp_path, list(units), units=units)
        fields = ("gas", "temperature"), ("gas", "density")
        for level in range(ds.max_level + 1):
            chosen = ds.all_data()
            chosen.max_level = level
            plane = ds.proj(fields[0], 2, weight_field=fields[1], data_source=chosen)
            counts = [n >> (ds.max_level - level) for n in base["density"].shape[:2]]
            bounds = [edge[side] for side in (0, 1) for edge in (ds.domain_left_edge,
                                                                 ds.domain_right_edge)]  # fmt: skip
            image = yt.FixedResolutionBuffer(plane, bounds, counts)[fields[0]].to_value("K").T
            step = 2 ** (ds.max_level - level)
            columns = (counts[0], step, counts[1], step, -1)
            x, w = (base[name].reshape(columns) for name in ("temperature", "density"))
            expected = np.average(x, weights=w, axis=(1, 3, 4))
            np.testing.assert_allclose(image, expected, rtol=1e-10)
    for level in (1, 2):
        made, step = group[str(level)][:].T, 2**level
        for place in np.ndindex(made.shape):
            box = tuple(slice(i * step, (i + 1) * step) for i in place)
            expected = np.average(base["temperature"][box], weights=base["density"][box])
            assert made[place] == pytest.approx(expected, rel=1e-12)


@pytest.mark.system
def test_nothing_is_read_before_yt_asks(yt, tmp_path, monkeypatch):
    make_pyramid(tmp_path, (64, 64, 64), chunks=16)
    read = []
    original = LevelVoxels.read

    def spy(self, region):
        read.append(self.shape[0])
        return original(self, region)

    monkeypatch.setattr(LevelVoxels, "read", spy)
    ds = load_pyramid(tmp_path, "density")
    assert ds.index.num_grids == 64 + 8 + 1
    assert read == []
    ds.covering_grid(0, left_edge=ds.domain_left_edge, dims=(16, 16, 16))["stream", "density"]
    assert read == [16]
    plane = ds.slice(2, ds.domain_center[2] + 0.1 * ds.domain_width[2])
    plane["stream", "density"]
    assert read == [16, *[64] * 16]  # of grids that finer ones cover, nothing
    read.clear()
    overview = ds.all_data()
    overview.max_level = 1
    assert overview["stream", "density"].size == 32**3
    assert read == [32] * 8


@pytest.mark.system
def test_fields_places_and_units(yt, tmp_path):
    make_pyramid(tmp_path)
    make_pyramid(tmp_path, name="temperature")
    ds = load_pyramid(tmp_path, ["density", "temperature"], units={"temperature": "K"})
    assert set(ds.field_list) == {("stream", "density"), ("stream", "temperature")}
    assert ds.all_data()["stream", "temperature"].units == yt.YTQuantity(1, "K").units
    assert np.allclose(ds.domain_left_edge.to_value("pc"), [-0.25, -0.5, -1.0])
    assert np.allclose(ds.domain_width.to_value("pc"), [22, 24, 80])
    ds = load_pyramid(tmp_path, "density", levels=[1, 2], length_unit="kpc")
    assert ds.max_level == 1
    assert np.allclose(ds.domain_left_edge.to_value("pc"), [-0.25, -0.5, -1.0])
    assert np.allclose(ds.length_unit.to_value("kpc"), 1)
    with pytest.raises(PyramidError, match=r"unit of length that yt knows, .* found 'kpcc'"):
        load_pyramid(tmp_path, "density", length_unit="kpcc")
    with pytest.raises(PyramidError, match="yt knows no unit 'gg'"):
        load_pyramid(tmp_path, "density", units={"density": "gg"})


@pytest.mark.system
def test_a_channel_of_a_store_in_memory(yt):
    store = zarr.storage.MemoryStore()
    group = zarr.open_group(store, mode="w")
    voxels = np.random.default_rng(1).integers(0, 255, (3, 16, 18, 20), "u1")
    group.create_array("0", data=voxels, chunks=(1, 8, 8, 8))
    build_pyramid(store, levels=1, scale_factors=[1, 2, 2, 2])
    ds = load_pyramid(store, at={"c": 2})
    assert ds.index.num_grids == 3 * 3 * 2 + 2 * 2 * 1
    readable = zarr.open_group(store, mode="r")
    ds = load_pyramid(readable, at={"c": 2}, grid_chunks=2)
    assert ds.index.num_grids == 2 * 2 * 1 + 1
    ((kind, name),) = ds.field_list
    grid = ds.covering_grid(1, left_edge=ds.domain_left_edge, dims=(20, 18, 16))
    assert np.array_equal(grid[kind, name].d, voxels[2].T)


def refined(yt):
    """Return a dataset of three refinements in a box that starts at -2, 1, 3."""
    random = np.random.default_rng(2)

    def grid(left, right, level):
        n = [(b - a) * 2**level for a, b in zip(left, right, strict=True)]
        edges = {"left_edge": left, "right_edge": right, "dimensions": n, "level": level}
        return {
            **edges,
            "density": (random.random(n), "g/cm**3"),
            "temperature": (random.random(n), "K"),
        }

    box = np.array([[-2.0, 18.0], [1.0, 25.0], [3.0, 31.0]])
    grids = [
        grid([-2, 1, 3], [18, 25, 31], 0),
        grid([2, 5, 11], [10, 13, 23], 1),
        grid([3, 7, 12], [7, 9, 14], 2),
    ]
    ends = (True, True, False)
    return yt.load_amr_grids(grids, [20, 24, 28], bbox=box, length_unit="kpc", periodicity=ends)


def cells(ds, level, field, unit):
    dims = ds.domain_dimensions * 2**level
    grid = ds.covering_grid(level, left_edge=ds.domain_left_edge, dims=dims)
    return grid[field].to_value(unit)


@pytest.mark.system
def test_a_dataset_there_and_back(yt, tmp_path, monkeypatch):
    monkeypatch.setattr("zarrpyramid.yt.level_0._BOX_VOXELS", 20_000)  # several boxes
    ds = refined(yt)
    fields = [("stream", "density"), ("stream", "temperature")]
    sample_fields(ds, fields, tmp_path, chunks=16, path="runs", units={"density": "kg/m**3"})
    found = zarr.open_group(tmp_path / "runs/density", mode="r")
    expected = cells(ds, 2, fields[0], "kg/m**3")
    assert np.array_equal(found["0"][:], expected.T)
    # One level for each refinement: means of the cells below.
    for level in (1, 2):
        k = 2**level
        shape = [n for extent in expected.shape for n in (extent // k, k)]
        means = expected.reshape(shape).mean((1, 3, 5))
        np.testing.assert_allclose(found[str(level)][:], means.T, rtol=1e-14)
    assert found.attrs["yt"] == {
        "length_unit": "kpc",
        "left_edge": [-2.0, 1.0, 3.0],
        "periodicity": [True, True, False],
        "unit": "kg/m**3",
    }
    listed = found.attrs["ome"]["multiscales"][0]
    assert {axis["unit"] for axis in listed["axes"]} == {"parsec"}
    assert listed["datasets"][0]["coordinateTransformations"][0]["scale"] == [250.0] * 3
    back = load_pyramid(tmp_path, ["runs/density", "runs/temperature"])
    assert np.array_equal(back.domain_left_edge.to_value("kpc"), [-2, 1, 3])
    assert back.periodicity == (True, True, False)
    assert np.allclose(back.domain_right_edge.to_value("kpc"), [18, 25, 31], rtol=1e-14)
    for name, unit in (("density", "kg/m**3"), ("temperature", "K")):
        found = cells(back, 2, ("stream", name), unit)
        assert np.array_equal(found, cells(ds, 2, ("stream", name), unit))


@pytest.mark.system
def test_a_sampling_that_ends_early_leaves_no_image(yt, tmp_path, monkeypatch):
    ds, place = refined(yt), "zarrpyramid.yt.sampling.put_box"
    from zarrpyramid.yt import sampling

    original, written = sampling.put_box, []

    def put_box(*box):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(original(*box))

    monkeypatch.setattr("zarrpyramid.yt.level_0._BOX_VOXELS", 20_000)
    with monkeypatch.context() as patched:
        patched.setattr(place, put_box)
        with pytest.raises(KeyboardInterrupt):
            sample_fields(ds, ("gas", "density"), tmp_path, chunks=16, max_level=1)
    assert "0" not in zarr.open_group(tmp_path / "density", mode="r")
    sample_fields(ds, ("gas", "density"), tmp_path, chunks=20, max_level=1)
    found = zarr.open_array(tmp_path / "density/0", mode="r")
    assert np.array_equal(found[:], cells(ds, 1, ("gas", "density"), "g/cm**3").T)
    beside = {path.name for path in (tmp_path / "density/0").iterdir()}
    assert beside == {"zarr.json", "c"}


@pytest.mark.system
def test_an_octree(yt, tmp_path):
    from yt.testing import fake_octree_ds

    ds = fake_octree_ds(num_zones=2)
    field = ("gas", "density")
    with pytest.raises(PyramidError, match="give max_level"):
        sample_fields(ds, [field], tmp_path)
    sample_fields(ds, [field], tmp_path, max_level=2, chunks=8)
    found = zarr.open_array(tmp_path / field[1] / "0", mode="r")
    assert np.array_equal(found[:], cells(ds, 2, field, str(ds.field_info[field].units)).T)


@pytest.mark.system
def test_a_coarser_refinement_is_level_0(yt, tmp_path):
    ds = refined(yt)
    sample_fields(ds, "density", tmp_path, max_level=1, chunks=16, dtype="float32", levels=1)
    found = zarr.open_array(tmp_path / "density/0", mode="r")
    expected = cells(ds, 1, ("gas", "density"), "g/cm**3")
    assert np.array_equal(found[:], expected.T.astype("f4"))


@pytest.mark.system
@pytest.mark.parametrize(
    ("fields", "settings", "said"),
    [
        ("densty", {}, "has no field 'densty'; did you mean 'density'"),
        ([], {}, "found none"),
        ("temperature", {}, "several fields 'temperature'; give one with its type"),
        ([("gas", "density"), ("stream", "density")], {}, "would both be the image 'density'"),
        (("gas", "density"), {"max_level": -1}, "max_level=-1: expected a whole number"),
        (("gas", "density"), {"chunks": [4, 4]}, "one length for each"),
        (("gas", "density"), {"dtype": "U1"}, "expected one of .*float32"),
        (("gas", "density"), {"units": {"density": "K"}}, "none of its own kind, which is g/cm"),
        (("gas", "density"), {"units": {"density": "gg"}}, "yt knows no unit 'gg'"),
        (("gas", "density"), {"units": {"densty": "K"}}, "units names 'densty'.*'density'"),
        (("gas", "density"), {"metod": "mean"}, "metod.*did you mean 'method'"),
        (("gas", "density"), {"method": "maen"}, "method.*'maen'"),
        (("gas", "density"), {"length_unit": "kpcc"}, "found 'kpcc'"),
        (
            [("gas", "temperature"), ("gas", "density")],
            {"path": "taken"},
            "density/0 is there already",
        ),
    ],
)
def test_what_cannot_be_sampled_is_refused(yt, tmp_path, fields, settings, said):
    zarr.create_group(tmp_path / "taken/density").create_array("0", data=np.ones(3))
    with pytest.raises(PyramidError, match=said):
        sample_fields(refined(yt), fields, tmp_path, **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]  # nothing was written
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["density"]
