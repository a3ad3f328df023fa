"""The API of pyramid-sampler 0.1.0, held against what its code says and against sums by hand."""

import inspect
import json
import logging
import subprocess
import sys

import dask
import numpy as np
import pytest
import zarr
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, ZipStore

import zarrpyramid
from oracles import mean_by_hand
from zarrpyramid import Downsampler, PyramidError, build_pyramid, initialize_test_image
from zarrpyramid.downsample.run import run_blocks

FIELD = "field1"
REQUIRED = inspect.Parameter.empty


def base_of(shape, dtype="uint16", seed=0):
    numbers = np.random.default_rng(seed).integers(0, 100, shape)
    # Eighths add up exactly in any order.
    return {"b": numbers % 2, "f": numbers / 8}.get(np.dtype(dtype).kind, numbers).astype(dtype)


def group_with(store, base, chunks=8, zarr_format=3):
    group = zarr.open_group(store, mode="a", zarr_format=zarr_format).create_group(FIELD)
    group.create_array("0", shape=base.shape, chunks=(chunks,) * base.ndim, dtype=base.dtype)
    group["0"][...] = base
    return group


def check_levels(group, n_levels, factors):
    assert sorted(group.array_keys()) == [str(level) for level in range(n_levels)]
    for level in range(1, n_levels):
        expected = mean_by_hand(group[str(level - 1)][...], factors)
        np.testing.assert_array_equal(group[str(level)][...], expected, strict=True)


def digests(group):
    return [group[name].attrs["zarrpyramid"]["digest"] for name in sorted(group.array_keys())[1:]]


def listed(group):
    attributes = zarr.open_group(group.store, path=group.path, mode="r+").attrs.asdict()
    (multiscales,) = attributes.get("ome", attributes)["multiscales"]
    return [dataset["path"] for dataset in multiscales["datasets"]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            Downsampler,
            {"zarr_store_path": REQUIRED, "refine_factor": REQUIRED, "level_0_res": REQUIRED}
            | {"chunks": None},
        ),
        (
            Downsampler.downsample,
            {"self": REQUIRED, "max_levels": REQUIRED, "zarr_field": REQUIRED},
        ),
        (
            initialize_test_image,
            {"zarr_store": REQUIRED, "zarr_field": REQUIRED, "base_resolution": REQUIRED}
            | {"chunks": None, "overwrite_field": True, "dtype": None},
        ),
    ],
)
def test_signatures_are_those_of_pyramid_sampler(function, expected):
    parameters = inspect.signature(function).parameters
    assert {name: item.default for name, item in parameters.items()} == expected
    assert list(parameters) == list(expected)
    assert {item.kind for item in parameters.values()} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}


def test_attributes_are_those_of_pyramid_sampler():
    sampler = Downsampler("store.zarr", (2, 2, 2), (256, 256, 256))
    assert sampler.zarr_store_path == "store.zarr"
    assert sampler.ndim == 3
    for name, expected in (
        ("refine_factor", [2, 2, 2]),
        ("finest_resolution", [256, 256, 256]),
        ("chunks", [64, 64, 64]),
    ):
        value = getattr(sampler, name)
        assert isinstance(value, np.ndarray), name
        assert value.tolist() == expected


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("shape", "chunks", "factors", "max_levels", "n_levels"),
    [
        # Exact cubes, as pyramid-sampler: it stops at the first level with no whole chunk.
        ((32, 32, 32), 8, (2, 2, 2), 10, 3),
        ((32, 32, 32), 8, (2, 2, 2), 3, 3),
        ((32, 32, 32), 8, (2, 2, 2), 2, 2),
        ((32, 32, 32), 8, (2, 2, 2), 1, 1),
        ((32, 32, 32), 8, (4, 4, 4), 10, 2),
        ((32, 32, 32), 32, (2, 2, 2), 10, 1),
        ((4, 4, 4), 1, (2, 2, 2), 10, 3),
        ((32, 32, 8), 8, (2, 2, 2), 10, 1),
        ((32, 32, 16), (8, 8, 16), (2, 2, 1), 10, 3),
        # What it fails on: extents round up.
        ((33, 31, 20), 8, (2, 2, 2), 10, 2),
        ((15, 15, 15), 8, (2, 2, 2), 10, 2),
        ((33, 32, 31), 4, (2, 3, 4), 10, 2),
        # What it never did: other numbers of axes, axes of factor 1 shorter than a chunk.
        ((50,), 8, (2,), 10, 3),
        ((37, 70), 8, (2, 2), 10, 3),
        ((3, 2, 17, 18), 8, (1, 1, 2, 2), 10, 2),
        ((2, 2, 3, 17, 18), (1, 1, 3, 4, 4), (1, 1, 1, 2, 2), 10, 3),
        ((16, 16), 8, (1, 1), 10, 1),
        ((1, 16), 1, (2, 2), 10, 5),
    ],
)
def test_levels_are_those_of_the_stop_rule(shape, chunks, factors, max_levels, n_levels):
    store = MemoryStore()
    group = group_with(store, base_of(shape))
    Downsampler(store, factors, shape, chunks).downsample(max_levels, FIELD)
    check_levels(group, n_levels, factors)
    edges = (chunks,) * len(shape) if isinstance(chunks, int) else chunks
    assert {group[str(level)].chunks for level in range(1, n_levels)} <= {edges}


def test_one_factor_is_for_all_axes():
    store = MemoryStore()
    group = group_with(store, base_of((32, 32)))
    Downsampler(store, 2, (32, 32), 8).downsample(10, FIELD)
    check_levels(group, 3, (2, 2))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32", "float64", ">u2", "bool"])
def test_values_keep_the_dtype_and_round_half_to_even(tmp_path, zarr_format, dtype):
    group = group_with(tmp_path, base_of((20, 18, 17), dtype), zarr_format=zarr_format)
    Downsampler(str(tmp_path), (2, 2, 2), (20, 18, 17), (8, 8, 8)).downsample(9, FIELD)
    check_levels(group, 2, (2, 2, 2))
    assert group["1"].dtype == group["0"].dtype
    assert group["1"].metadata.zarr_format == zarr_format
    assert listed(group) == ["0", "1"]


def test_the_log_says_each_level_and_the_stop(caplog):
    store = MemoryStore()
    group_with(store, base_of((32, 32, 32)))
    with caplog.at_level(logging.INFO, "zarrpyramid"):
        Downsampler(store, (2, 2, 2), (32, 32, 32), 8).downsample(4, FIELD)
        Downsampler(store, (2, 2, 2), (32, 32, 32), 8).downsample(2, FIELD)
    messages = [record.message for record in caplog.records if record.name.endswith("sampler")]
    assert messages == [
        "downsampling to level 1.",
        "downsampling to level 2.",
        "cannot subdivide further, stopping downsampling at level 2.",
        "downsampling to level 1.",
    ]


STORES = {
    "str": str,
    "Path": lambda folder: folder,
    "LocalStore": LocalStore,
    "MemoryStore": lambda folder: MemoryStore(),
    "ZipStore": lambda folder: ZipStore(folder / "image.zip", mode="a"),
    "FsspecStore": lambda folder: FsspecStore.from_url(f"memory://{folder.name}"),
    "group": zarr.open_group,
    "inner group": lambda folder: zarr.open_group(folder, zarr_format=2).create_group("inner"),
    "group in memory": lambda folder: zarr.open_group(MemoryStore()).create_group("inner"),
}


@pytest.mark.sampled(2)
# A ZIP file keeps the documents that were written over, and says so.
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("kind", STORES)
def test_stores_of_all_kinds_are_taken(tmp_path, kind):
    store = STORES[kind](tmp_path)
    initialize_test_image(store, FIELD, (32, 32, 32), 8, dtype="int32")
    for _ in range(2):  # the second time finds all levels up to date
        Downsampler(store, (2, 2, 2), (32, 32, 32), 8).downsample(10, FIELD)
    root = store if isinstance(store, zarr.Group) else zarr.open_group(store, mode="r+")
    check_levels(root[FIELD], 3, (2, 2, 2))
    assert listed(root[FIELD]) == ["0", "1", "2"]
    if kind == "ZipStore":
        with pytest.raises(PyramidError, match="only ever grows"):
            Downsampler(store, (2, 2, 2), (32, 32, 32), 4).downsample(10, FIELD)
        store.close()


def test_a_group_inside_a_store_is_where_the_field_is(tmp_path):
    inner = zarr.open_group(tmp_path / "a").create_group("inner")
    base = base_of((16, 16))
    group = group_with(StorePath(inner.store, "inner"), base)
    Downsampler(inner, (2, 2), (16, 16), 8).downsample(2, FIELD)
    assert sorted(group.array_keys()) == ["0", "1"]
    build_pyramid(group, levels=2)
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    assert sorted(zarr.open_group(tmp_path / "a").group_keys()) == ["inner"]


def test_a_read_only_store_is_not_written(tmp_path):
    group_with(tmp_path, base_of((16, 16)))
    group = zarr.open_group(tmp_path, mode="r")
    for store in (group, group.store):
        with pytest.raises(PyramidError, match="read-only"):
            Downsampler(store, (2, 2), (16, 16), 8).downsample(2, FIELD)
    assert not (tmp_path / FIELD / "1").exists()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_levels_that_pyramid_sampler_left_are_replaced(tmp_path, zarr_format):
    group = group_with(tmp_path, base_of((33, 32, 32)), zarr_format=zarr_format)
    # An extent of 33 fails in pyramid-sampler, and leaves the first level without chunks.
    group.create_array("1", shape=(16, 16, 16), chunks=(8, 8, 8), dtype="uint16")
    group.create_array("2", shape=(9, 8, 8), chunks=(8, 8, 8), dtype="uint16")
    group["2"][...] = 7
    Downsampler(tmp_path, (2, 2, 2), (33, 32, 32), (8, 8, 8)).downsample(10, FIELD)
    check_levels(group, 3, (2, 2, 2))


@pytest.mark.parametrize("why", ["shape", "dtype", "attributes", "listed", "group"])
def test_other_levels_are_refused_before_anything_changes(tmp_path, why):
    group = group_with(tmp_path, base_of((32, 32)))
    group.create_array("1", shape=(16, 16), chunks=(8, 8), dtype="uint16")[...] = 3
    if why == "group":
        group.create_group("2")
    else:
        shape, dtype = (9, 8) if why == "shape" else (8, 8), "u1" if why == "dtype" else "u2"
        attributes = {"by": "hand"} if why == "attributes" else {}
        level = group.create_array(
            "2", shape=shape, chunks=(8, 8), dtype=dtype, attributes=attributes
        )
        level[...] = 5
    if why == "listed":
        datasets = [{"path": "0"}, {"path": "2"}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": datasets}]}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(PyramidError, match="move") as refused:
        Downsampler(tmp_path, (2, 2), (32, 32), 8).downsample(10, FIELD)
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_our_levels_are_kept_remade_and_removed(tmp_path):
    group = group_with(tmp_path, base_of((32, 32)))
    sampler = Downsampler(tmp_path, (2, 2), (32, 32), 8)
    times = {}

    def changed():
        before = dict(times)
        found = (item for item in (tmp_path / FIELD).glob("[12]/**/*") if item.is_file())
        times.update({item: item.stat().st_mtime_ns for item in found})
        return times != before

    sampler.downsample(10, FIELD)
    assert changed()
    sampler.downsample(10, FIELD)
    assert not changed()
    group["0"][:4, :4] = 60000
    sampler.downsample(10, FIELD)
    assert changed()
    check_levels(group, 3, (2, 2))
    group.create_array("3", shape=(4, 4), chunks=(4, 4), dtype="u2")
    sampler.downsample(2, FIELD)
    assert sorted(group.array_keys()) == ["0", "1", "3"]  # only 2 was ours
    assert listed(group) == ["0", "1"]


@pytest.mark.parametrize("max_levels", [0, -1, True, 2.5])
def test_max_levels_must_be_positive(max_levels):
    sampler = Downsampler("absent.zarr", (2, 2, 2), (64, 64, 64))
    with pytest.raises(ValueError, match=f"max_level must exceed 0, found {max_levels}"):
        sampler.downsample(max_levels, FIELD)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (((2, 2), (64, 64, 64)), AssertionError),
        (((2, 2, 2), (64, 64)), AssertionError),
        (((2, 2), (64, 64), (8, 8, 8)), ValueError),
        (((0, 2), (64, 64)), ValueError),
        (((1.5, 2), (64, 64)), ValueError),
        (((2, 2), (64, -64)), ValueError),
        (((2, 2), (64, 64), 0), ValueError),
        ((True, (64, 64)), ValueError),
        (((2, 2), (64, True)), ValueError),
        (((2, 2), (64, 64), True), ValueError),
        (((2, 2), (64, 64), (8, np.True_)), ValueError),
        (("2", (64, 64)), ValueError),
        (((2, None), (64, 64)), ValueError),
        (((2, float("nan")), (64, 64)), ValueError),
        (((2, [2, 2]), (64, 64)), ValueError),
        (((2, 2), (64, 2**64)), ValueError),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, error):
    with pytest.raises(error, match=r"expected|whole numbers") as caught:
        Downsampler("absent.zarr", *arguments)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("shape", "field", "error", "message"),
    [
        ((32, 16), FIELD, ValueError, r"has shape \[32, 32\], but level_0_res is \[32, 16\]"),
        ((32, 32, 32), FIELD, ValueError, "3 entries"),
        ((32, 32), "other", OSError, "fields of .*'field1'"),
    ],
)
def test_images_that_do_not_fit_are_refused(tmp_path, shape, field, error, message):
    group_with(tmp_path, base_of((32, 32)))
    with pytest.raises(error, match=message) as refused:
        Downsampler(tmp_path, (2,) * len(shape), shape, 8).downsample(3, field)
    assert isinstance(refused.value, PyramidError)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (None, 1.0, 1.5),
        ("float32", 1.0, 1.5),
        ("int64", 100, 149),
        (np.uint8, 100, 149),
        ("int8", 100, 127),
    ],
)
@pytest.mark.parametrize("chunks", [None, 16, (32, 16, 8)])
def test_a_test_image_is_bright_in_its_lower_corner(dtype, low, high, chunks):
    root = zarr.group(MemoryStore())
    initialize_test_image(root, FIELD, (32, 32, 32), chunks=chunks, dtype=dtype)
    base = root[FIELD]["0"]
    edges = {None: (64,) * 3, 16: (16,) * 3}.get(chunks, chunks)
    assert (base.shape, base.chunks) == ((32, 32, 32), edges)
    assert base.dtype == (np.float64 if dtype is None else dtype)
    voxels = base[...]
    corner, rest = voxels[:16, :16, :16].copy(), voxels.copy()
    rest[:16, :16, :16] = 0
    assert low <= corner.max() <= high
    assert corner.min() >= low / 2
    assert 0 <= rest.max() <= low
    assert len(np.unique(voxels)) > 90


def test_a_test_image_replaces_a_field_unless_told_not_to(tmp_path):
    initialize_test_image(tmp_path, FIELD, (16, 16), 8)
    zarr.open_group(tmp_path)[FIELD].create_group("more")
    with pytest.raises(zarr.errors.ContainsGroupError):
        initialize_test_image(tmp_path, FIELD, (16, 16), 8, overwrite_field=False)
    for dtype in ("bool", "complex64", "S3"):
        with pytest.raises(RuntimeError, match=f"Unexpected dtype of {dtype}"):
            initialize_test_image(tmp_path, FIELD, (16, 16), 8, dtype=dtype)
    assert "more" in zarr.open_group(tmp_path)[FIELD]
    initialize_test_image(tmp_path, FIELD, (16, 1), 8)
    group = zarr.open_group(tmp_path)[FIELD]
    assert list(group) == ["0"]
    assert group["0"].shape == (16, 1)


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_gives_no_results_of_the_run_before(client):
    """It keeps them for a moment, and 290 of 300 runs were given those of another one."""
    for value in range(20):
        # Workers import no tests, and wait for ever for a task that they cannot unpack.
        assert set(run_blocks(lambda _, value=value: value, (3, 4), n_workers=2)) == {value}


def task_workers(client, function):
    """Return how many tasks each worker ran."""
    from distributed import get_task_stream

    with get_task_stream(client) as stream:
        function()
    ran = [task["worker"] for task in stream.data]
    return {worker: ran.count(worker) for worker in client.scheduler_info()["workers"]}


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(32, 32, 32), (70, 60, 50)], ids=["few tasks", "many"])
def test_workers_of_a_client_make_the_same_levels(tmp_path, client, shape):
    make = Downsampler(tmp_path / "a", (2, 2, 2), shape, 8)
    made = task_workers(client, lambda: initialize_test_image(tmp_path / "a", FIELD, shape, 8))
    assert min(made.values()) > 0
    ran = task_workers(client, lambda: make.downsample(10, FIELD))
    # One of dask's tasks makes up to eight objects.
    assert 8 * sum(ran.values()) >= sum(
        int(np.prod([-(-n // 8) for n in level.shape]))
        for name, level in zarr.open_group(tmp_path / "a")[FIELD].arrays()
        if name != "0"
    )
    if shape[0] > 32:
        assert min(ran.values()) > 0
    group = zarr.open_group(tmp_path / "a")[FIELD]
    by_threads = group_with(tmp_path / "b", group["0"][...])
    with dask.config.set(scheduler="threads"):
        assert not sum(
            task_workers(
                client,
                lambda: Downsampler(tmp_path / "b", (2, 2, 2), shape, 8).downsample(10, FIELD),
            ).values()
        )
    assert digests(group) == digests(by_threads)
    assert len(digests(group)) == 2


@pytest.mark.slow
def test_stores_that_workers_would_copy_stay_in_this_process(client):
    store = MemoryStore()

    def make():
        initialize_test_image(store, FIELD, (64, 64, 64), 8)
        Downsampler(store, (2, 2, 2), (64, 64, 64), 8).downsample(10, FIELD)

    assert not sum(task_workers(client, make).values())
    group = zarr.open_group(store)[FIELD]
    means = [group[name][...].mean() for name in ("0", "1", "2", "3")]
    assert means == pytest.approx([means[0]] * 4)
    assert means[0] > 0.5


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_store_says_so(tmp_path, client):
    group_with(tmp_path / "a", base_of((64, 64)))
    client.run(
        exec, "import zarrpyramid.stores.local as local; local.LocalStore.size = lambda *_: None"
    )
    try:
        with pytest.raises(PyramidError, match="all workers must see the same file system"):
            Downsampler(tmp_path / "a", (2, 2), (64, 64), 8).downsample(10, FIELD)
    finally:
        client.restart()
    assert not (tmp_path / "a" / FIELD / "1" / "zarr.json").exists()


_LIGHT = """
import json, sys
import zarrpyramid
print(json.dumps([
    zarrpyramid.__version__,
    sorted({"numpy", "zarr", "dask", "numba", "yaml"} & set(sys.modules)),
    sorted(set(zarrpyramid.__all__) - set(dir(zarrpyramid))),
    issubclass(zarrpyramid.PyramidError, Exception) and zarrpyramid.VOXEL_REVISION > 0,
    sorted({"numpy", "zarr", "dask", "numba"} & set(sys.modules)),
]))
"""


def test_importing_the_package_imports_no_array_library():
    done = subprocess.run(
        [sys.executable, "-c", _LIGHT], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [zarrpyramid.__version__, [], [], True, []]


def test_names_of_the_package_are_there_and_no_others():
    assert all(getattr(zarrpyramid, name) is not None for name in zarrpyramid.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Upsampler'"):
        zarrpyramid.Upsampler  # noqa: B018
