"""Stores of every form as files, and arrays opened before they exist."""

from __future__ import annotations

from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.storage
from zarr.storage import MemoryStore, StorePath, WrapperStore, ZipStore

from zarrpyramid import build_pyramid
from zarrpyramid.arrays.foreign import open_array, read_region
from zarrpyramid.errors import ArgumentError, StoreError
from zarrpyramid.metadata.nodes import read_array
from zarrpyramid.metadata.tree import write_array
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.place import as_path, path_inside
from zarrpyramid.stores.zarr_store import ZarrStore, from_zarr

VOXELS = (np.indices((11, 9)).sum(0) * 7 % 251).astype("uint8")


def make(store, field="", zarr_format=3):
    root = zarr.create_group(store, zarr_format=zarr_format)
    group = root.create_group(field) if field else root
    group.create_array("0", data=VOXELS, chunks=(4, 4))
    return root


@pytest.mark.parametrize(
    "form",
    [
        str,
        Path,
        zarr.storage.LocalStore,
        lambda path: zarr.open_group(path),
        lambda p: StorePath(zarr.storage.LocalStore(p)),
    ],
    ids=["str", "Path", "LocalStore", "group", "StorePath"],
)
def test_local_folders_in_any_form(tmp_path, form):
    make(tmp_path)
    store = form(str(tmp_path))
    files = from_zarr(store)
    assert type(files) is LocalStore
    assert as_path(store) == files.name == str(tmp_path)
    build_pyramid(store, levels=1)
    assert zarr.open_array(tmp_path / "1").shape == (6, 5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("field", ["", "raw"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_object_gets_what_a_folder_gets(tmp_path, field, zarr_format):
    memory = MemoryStore()
    make(memory, field, zarr_format)
    make(tmp_path / "memory", field, zarr_format)
    found = build_pyramid(memory, field, levels=2)
    assert as_path(memory) is None
    expected = build_pyramid(tmp_path / "memory", field, levels=2)
    assert [record["digest"] for record in found[1:]] == [r["digest"] for r in expected[1:]]
    store = LocalStore(tmp_path / "memory")
    ours = {key: ZarrStore(memory).get(key) for key in ZarrStore(memory).keys("")}
    assert set(ours) == set(store.keys(""))
    different = {key for key, data in ours.items() if data != store.get(key)}
    # An image at the root is named after its store, and a store object has no name.
    assert different <= ({".zattrs", "zarr.json"} if field == "" else set())


def test_a_group_inside_a_store_is_where_its_field_starts(tmp_path):
    root = make(tmp_path, "deep/raw")
    assert path_inside(root["deep"]) == "deep"
    assert path_inside(tmp_path) == ""
    build_pyramid(root["deep"], "raw", levels=1)
    build_pyramid(root["deep/raw"], levels=2)
    assert sorted(root["deep/raw"].array_keys()) == ["0", "1", "2"]


def test_wrapped_stores_are_served():
    memory = MemoryStore()
    make(memory)
    build_pyramid(WrapperStore(memory), levels=1)
    assert zarr.open_array(memory, path="1").shape == (6, 5)


@pytest.mark.parametrize("what", [3, None, {"a": 1}, np.zeros(3)])
def test_what_is_no_store(what):
    with pytest.raises(ArgumentError, match=r"expected a path, a URL, a zarr store .* found a "):
        from_zarr(what)


def test_a_read_only_store_is_refused(tmp_path):
    make(tmp_path)
    with pytest.raises(StoreError, match="is open read-only; open it for writing"):
        build_pyramid(zarr.storage.LocalStore(tmp_path, read_only=True), levels=1)
    assert not (tmp_path / "1").exists()


def test_a_store_that_cannot_forget(tmp_path):
    with ZipStore(tmp_path / "a.zip", mode="w") as archive:
        make(archive)
        store = from_zarr(archive)
        assert store.get_range("0/zarr.json", 0, 1) == b"{"
        with pytest.raises(StoreError, match="such a store only ever grows"):
            store.delete("0/zarr.json")
        with pytest.raises(StoreError, match="such a store only ever grows"):
            store.delete_tree("0")
        store.delete_tree("absent")


def test_an_array_is_written_before_it_exists(tmp_path):
    files = LocalStore(tmp_path)
    made = zarr.create_array(
        MemoryStore(), shape=(4,), chunks=(2,), dtype=">i2", zarr_format=2,
        compressors=numcodecs.BZ2(), fill_value=5,
    )  # fmt: skip
    store = made.store_path.store
    metadata = read_array(ZarrStore(store), "")
    array = open_array(files, "level", metadata, write_empty_chunks=False)
    array[0:2] = np.array([1, 2])
    array[2:4] = np.array([5, 5])
    assert list(files.keys("level")) == ["0"]
    assert read_array(files, "level") is None
    found = read_region(array, (slice(0, 4),))
    assert found.tolist() == [1, 2, 5, 5]
    assert found.dtype.isnative
    write_array(files, "level", metadata)
    assert zarr.open_array(tmp_path / "level")[...].tolist() == [1, 2, 5, 5]


def test_some_files_are_no_store_of_zarr_python(tmp_path):
    class Other:
        name = "other"

    made = zarr.create_array(tmp_path, shape=(4,), chunks=(2,), dtype="i2")
    assert made.shape == (4,)
    metadata = read_array(LocalStore(tmp_path), "")
    with pytest.raises(StoreError, match="other cannot be opened by zarr-python"):
        open_array(Other(), "a", metadata, write_empty_chunks=True)
