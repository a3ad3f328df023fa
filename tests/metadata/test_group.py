"""Groups and arrays by their documents, and the consolidated metadata of all above them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from zarrpyramid import build_pyramid
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import MetadataError, StoreError
from zarrpyramid.metadata.group import find_images, locate
from zarrpyramid.metadata.nodes import read_node
from zarrpyramid.metadata.paths import join
from zarrpyramid.metadata.tree import change_group_attributes
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.zarr_store import ZarrStore

pytestmark = pytest.mark.filterwarnings(
    # zarr-python says so of consolidated v3 metadata, which users have all the same.
    "ignore:Consolidated metadata is currently not part:UserWarning",
)

VOXELS = (np.indices((9, 8)).sum(0) % 7).astype("uint8")


def make(path, field="", zarr_format=3, **attributes):
    root = zarr.create_group(path, zarr_format=zarr_format)
    group = root.create_group(field) if field else root
    group.create_array("0", data=VOXELS, chunks=(4, 4))
    group.attrs.update(attributes)
    return root


def consolidated_arrays(path):
    """Return the arrays and shapes that a reader of consolidated metadata finds."""
    root = zarr.open_group(path, mode="r", use_consolidated=True)
    return {name: item.shape for name, item in root.members(None) if isinstance(item, zarr.Array)}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("inside", [["a/b"], ["", "a/b"], ["", "a", "a/b"]], ids=str)
def test_consolidated_metadata_of_every_ancestor_is_kept_in_step(tmp_path, zarr_format, inside):
    make(tmp_path / "s", "a/b", zarr_format)
    for place in sorted(inside, reverse=True):
        zarr.consolidate_metadata(tmp_path / "s", path=place, zarr_format=zarr_format)
    build_pyramid(tmp_path / "s", "a/b", levels=2)
    for place in inside:
        below = join("a/b"[len(place) :].strip("/"))
        found = consolidated_arrays(join(str(tmp_path / "s"), place))
        shapes = {"0": (9, 8), "1": (5, 4), "2": (3, 2)}
        assert found == {join(below, name): shape for name, shape in shapes.items()}
        group = zarr.open_group(tmp_path / "s" / place, mode="r", use_consolidated=True)
        attributes = dict((group[below] if below else group).attrs)
        multiscales = attributes.get("ome", attributes)["multiscales"]
        assert [item["path"] for item in multiscales[0]["datasets"]] == ["0", "1", "2"]
    clean(str(tmp_path / "s" / "a/b"))
    for place in inside:
        below = join("a/b"[len(place) :].strip("/"))
        assert consolidated_arrays(join(str(tmp_path / "s"), place)) == {join(below, "0"): (9, 8)}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_above_the_store_is_kept_in_step(tmp_path, zarr_format):
    top = zarr.create_group(tmp_path / "top", zarr_format=zarr_format)
    make(tmp_path / "top" / "s", "raw", zarr_format)
    other = top.create_array("other", shape=(3,), chunks=(3,), dtype="uint8")
    zarr.consolidate_metadata(tmp_path / "top", zarr_format=zarr_format)
    build_pyramid(tmp_path / "top" / "s", "raw", levels=1)
    shapes = {"s/raw/0": (9, 8), "s/raw/1": (5, 4), "other": other.shape}
    assert consolidated_arrays(tmp_path / "top") == shapes


def test_stores_without_consolidated_metadata_get_none(tmp_path):
    make(tmp_path / "s", zarr_format=2)
    build_pyramid(tmp_path / "s", levels=1)
    assert not (tmp_path / "s" / ".zmetadata").exists()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_attributes_that_are_not_ours_survive(tmp_path, zarr_format):
    foreign = {
        "range": [math.nan, math.inf],
        "name": "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        "deep": {"null": None, "large": 2**70},
    }
    make(tmp_path, zarr_format=zarr_format, **foreign)
    key = "zarr.json" if zarr_format == 3 else ".zattrs"
    store = LocalStore(tmp_path)
    build_pyramid(tmp_path, levels=1)
    text = store.get(key)
    found = read_node(store, "").attributes
    assert json.dumps({name: found[name] for name in foreign}) == json.dumps(foreign)
    assert set(found) - set(foreign) == ({"ome"} if zarr_format == 3 else {"multiscales", "omero"})
    build_pyramid(tmp_path, levels=1)
    assert store.get(key) == text


def test_a_change_that_changes_nothing_writes_nothing(tmp_path):
    make(tmp_path, value=math.nan)
    store = LocalStore(tmp_path)
    before = list(store.stats(""))
    same = change_group_attributes(store, "", lambda attributes: {**attributes})
    assert math.isnan(same.attributes["value"])
    assert list(store.stats("")) == before
    assert change_group_attributes(store, "", lambda _: {"value": 1}).attributes == {"value": 1}
    assert dict(zarr.open_group(tmp_path).attrs) == {"value": 1}


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("zarr.json", b"", "zarr.json is no JSON"),
        ("zarr.json", b"{", "zarr.json is no JSON"),
        ("zarr.json", b"\xff\xfe", "zarr.json is no JSON"),
        ("zarr.json", b"[" * 100_000, "zarr.json is no JSON"),
        ("zarr.json", b"[]", "zarr.json holds no JSON object"),
        ("zarr.json", b"{}", "zarr.json: neither an array nor a group"),
        ("zarr.json", b'{"node_type": "group"}', "zarr.json: neither an array nor a group"),
        ("0/zarr.json", b"{", "0/zarr.json is no JSON"),
        ("0/zarr.json", b'{"node_type": "array", "zarr_format": 3}', "damaged: KeyError"),
    ],
)
def test_damaged_documents_give_one_line(tmp_path, key, content, message):
    make(tmp_path)
    (tmp_path / key).write_bytes(content)
    with pytest.raises(MetadataError, match=message) as error:
        build_pyramid(tmp_path, levels=1)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "zarr.json"]


@pytest.mark.parametrize("damage", [{}, {"metadata": None}, {"metadata": []}, 3])
def test_damaged_consolidated_metadata_gives_one_line(tmp_path, damage):
    make(tmp_path, "raw", zarr_format=2)
    (tmp_path / ".zmetadata").write_text(json.dumps(damage))
    with pytest.raises(MetadataError, match=r"\.zmetadata holds") as error:
        build_pyramid(tmp_path, "raw", levels=1)
    assert "\n" not in str(error.value)


def test_attributes_that_are_null(tmp_path):
    make(tmp_path)
    document = json.loads((tmp_path / "zarr.json").read_text())
    (tmp_path / "zarr.json").write_text(json.dumps({**document, "attributes": None}))
    build_pyramid(tmp_path, levels=1)
    assert set(zarr.open_group(tmp_path).attrs) == {"ome"}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("store", ["local", "memory"])
def test_images_are_found(tmp_path, zarr_format, store):
    place = tmp_path if store == "local" else MemoryStore()
    root = zarr.create_group(place, zarr_format=zarr_format)
    for field in ("raw", "deep/er/est", "too/deep/to/see"):
        root.create_group(field).create_array("0", data=VOXELS, chunks=(4, 4))
    root.create_group("empty")
    root.create_group("labels").create_group("0")  # a group in level 0's place
    root.create_array("array", data=VOXELS)
    files = LocalStore(tmp_path) if store == "local" else ZarrStore(place)
    assert list(find_images(files)) == ["deep/er/est", "raw"]
    assert list(find_images(files, depth=1)) == ["raw"]
    assert list(find_images(files, "deep")) == ["deep/er/est"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("store", "field", "message"),
    [
        ("s", "rwa", "there is no zarr group .*s/rwa; fields of .*s: 'raw'"),
        ("s", "raw/0", "raw/0 is itself an array, level 0 of the image"),
        ("s", "raw/0/c", "raw/0/c; fields of .*s: 'raw'"),
        ("root", "raw", "root/raw; the image is the root of .*/root: give that as store and"),
        ("absent", "", "there is no store .*absent; check the path"),
        ("file", "", "file is a file, expected the folder of a zarr store"),
        ("s", "file", "s/file is a file, expected the folder of a zarr group"),
        ("empty", "", r"there is no zarr group .*empty; give the folder that holds zarr.json"),
        ("s/bare", "", "it holds other; fields of its store that have one: 'raw'"),
        ("s/nothing", "", "s/nothing has no array 0 for level 0; it holds nothing"),
    ],
)
def test_what_is_no_image_is_said_with_the_way_out(tmp_path, store, field, message):
    root = make(tmp_path / "s", "raw")
    root.create_group("bare").create_group("other")
    root.create_group("nothing")
    (tmp_path / "file").write_text("")
    (tmp_path / "s" / "file").write_text("")
    (tmp_path / "empty").mkdir()
    zarr.create_group(tmp_path / "root").create_array("0", data=VOXELS)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=message):
        build_pyramid(tmp_path / store, field)
    assert sorted(tmp_path.rglob("*")) == before
    build_pyramid(tmp_path / "root", levels=1)  # the way out of the row that names it


def test_the_way_out_of_a_bare_array_works(tmp_path, monkeypatch):
    """Follow the message by hand: the array is the source of a new store."""
    monkeypatch.chdir(tmp_path)
    zarr.create_array("a.zarr", data=VOXELS)
    with pytest.raises(StoreError, match=r"store=NEW\.zarr, or .*, or in Python build_pyr") as told:
        build_pyramid("a.zarr")
    source = str(told.value).rpartition("source='")[2].removesuffix("')")
    assert len(build_pyramid("NEW.zarr", source=source, levels=1)) == 2


def test_mixed_formats_are_refused(tmp_path):
    zarr.create_group(tmp_path, zarr_format=3)
    zarr.create_array(tmp_path / "0", data=VOXELS, zarr_format=2)
    with pytest.raises(StoreError, match="is a group of zarr v3, its array 0 is of v2"):
        build_pyramid(tmp_path)


def test_a_store_is_opened_from_its_topmost_group(tmp_path):
    make(tmp_path / "top" / "mid" / "s", "raw")
    zarr.create_group(tmp_path / "top" / "mid")
    zarr.create_group(tmp_path / "top")
    store, path = locate(str(tmp_path / "top" / "mid" / "s"), "raw")
    assert (store.root, path) == (tmp_path / "top", "mid/s/raw")
    store, path = locate(str(tmp_path / "elsewhere"), "")
    assert (store.root, path) == (tmp_path / "elsewhere", "")


def test_keys_are_joined():
    assert join("", "a", "", "b/c") == "a/b/c"
    assert join("", "") == ""
