"""Stores in an object store: a real S3 server, and a proxy before it that misbehaves."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from servers import BUCKET, ENVIRONMENT, Proxy, s3_server
from zarrpyramid import build_pyramid
from zarrpyramid.config import image_config, image_configs
from zarrpyramid.downsample import resume as resumption
from zarrpyramid.downsample.base import seal_base
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError, StoreError, VoxelError
from zarrpyramid.metadata.tree import change_group_attributes
from zarrpyramid.plan.image import open_image
from zarrpyramid.plan.needs import level_need, peak_memory, read_timing
from zarrpyramid.programs import extra_command
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.object_store import ObjectStore
from zarrpyramid.verify.status import pyramid_status
from zarrpyramid.verify.verify import assure_pyramid

pytestmark = pytest.mark.filterwarnings(
    # zarr-python says so of every array with a numcodecs filter.
    "ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning",
)
QUICK = {"max_retries": 2, "retry_timeout": 5}


@pytest.fixture(scope="module", autouse=True)
def credentials():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def server():
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server):
    with Proxy(server) as proxy:
        yield proxy


@pytest.fixture
def place(request):
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"s3://{BUCKET}/{name}.zarr"


def fill(folder, **keywords):
    """Make an image in a local folder."""
    group = zarr.open_group(folder, mode="w", zarr_format=keywords.pop("zarr_format", 3))
    voxels = np.random.default_rng(0).integers(0, 999, (19, 24, 21)).astype("uint16")
    group.create_array("0", data=voxels, chunks=(8, 10, 7), **keywords)
    return folder


def upload(folder, store):
    for key in LocalStore(folder).keys(""):
        store.put(key, (Path(folder) / key).read_bytes())


def objects(store):
    return {key: store.get(key) for key in store.keys("")}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "keywords",
    [{}, {"shards": (16, 20, 14)}, {"zarr_format": 2}, {"zarr_format": 2, "order": "F"}],
    ids=["v3", "v3 shards", "v2", "v2 in F order"],
)
def test_a_remote_pyramid_equals_a_local_one_to_the_byte(tmp_path, server, place, keywords):
    store = ObjectStore(place, {"endpoint": server})
    path = tmp_path / place.rpartition("/")[2]  # the image's name follows its store's
    upload(fill(path, **keywords), store)
    local = build_pyramid(path, write_empty_chunks=False, levels=2)
    remote = build_pyramid(
        place, storage_options={"endpoint": server}, write_empty_chunks=False, levels=2
    )
    assert remote == local
    found = objects(store)
    for key, data in objects(LocalStore(path)).items():
        assert found.pop(key) == data, key
    assert found == {}


@pytest.mark.slow
def test_through_zarr_python_where_the_chunk_engine_does_not_know_a_codec(tmp_path, server, place):
    store = ObjectStore(place, {"endpoint": server})
    folder = fill(tmp_path / "a.zarr", zarr_format=2, filters=[numcodecs.Delta(dtype="<u2")])
    upload(folder, store)
    remote = build_pyramid(place, storage_options={"endpoint": server}, levels=2)
    assert remote == build_pyramid(folder, levels=2)


@pytest.mark.slow
def test_a_level_0_from_a_local_source(tmp_path, server, place):
    folder = fill(tmp_path / "a.zarr")
    options = {"endpoint": server}
    first = build_pyramid(place, "raw/488", source=folder, storage_options=options, levels=2)
    assert first == build_pyramid(tmp_path / "b.zarr", "raw/488", source=folder, levels=2)
    store = ObjectStore(place, options)
    before = {key: version for key, _, version in store.stats("")}
    assert (
        build_pyramid(place, "raw/488", source=folder, storage_options=options, levels=2) == first
    )
    assert {key: version for key, _, version in store.stats("")} == before


@pytest.mark.slow
def test_commands_on_a_url_with_all_from_the_environment(tmp_path, server, place, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    folder = fill(tmp_path / "a.zarr")
    records = build_pyramid(f"{place}/inside", source=folder, levels=2)
    statuses = pyramid_status(f"{place}/inside").levels
    assert [status.shape for status in statuses] == [tuple(each["shape"]) for each in records]
    assert all(status.complete and status.listed for status in statuses)
    assure_pyramid(f"{place}/inside", n_workers=2, seed=0)  # raises
    assert clean(f"{place}/inside") == list(range(1, len(records)))
    assert {key.split("/")[1] for key in ObjectStore(place, {}).keys("")} == {"0", "zarr.json"}


def test_files(server, place):
    store = pickle.loads(pickle.dumps(ObjectStore(place, {"endpoint": server})))
    store.put("a/0", b"0123456789")
    store.put("a/b/1", memoryview(b"xy"))
    assert store.get("a/0") == b"0123456789"
    assert store.get("a") is None
    assert store.get_range("a/0", 2, 3) == b"234"
    assert store.get_range("a/0", -4, 2) == b"67"
    assert store.get_range("a/1", -4, 2) is None
    assert (store.size("a/0"), store.size("a/1")) == (10, None)
    assert sorted(store.keys("a")) == ["0", "b/1"]
    assert (store.children(""), store.children("a"), store.children("c")) == (["a"], ["b"], [])
    before = {key: version for key, _, version in store.stats("")}
    store.put("a/0", b"9876543210")
    after = {key: version for key, _, version in store.stats("")}
    assert [key for key in after if after[key] != before[key]] == ["a/0"]
    store.delete("a/0")
    store.delete("a/0")
    store.delete_tree("a")
    store.delete_tree("a")
    assert list(store.keys("")) == []


def test_nothing_is_asked_twice_while_answers_are_remembered(server, proxy, place):
    other, store = (ObjectStore(place, {"endpoint": url}) for url in (server, proxy.url))
    for key in ("a", "d/a", "d/e/b"):
        other.put(key, key.encode())
    with store.remembered(["a", "x"], folders=["d"], trees=["d"]):
        for _ in range(2):
            assert [store.get(key) for key in ("a", "x", "d/a", "d/x")] == [
                b"a",
                None,
                b"d/a",
                None,
            ]
            assert [store.size(key) for key in ("a", "x", "d/a", "d/f/b")] == [1, None, 3, None]
            assert [store.version(key) for key in ("a", "d/a")] == [
                other.version(key) for key in ("a", "d/a")
            ]
            assert (store.children("d"), store.children("d/f")) == (["e"], [])
            assert (sorted(store.keys("d")), list(store.keys("d/f"))) == (["a", "e/b"], [])
            store.delete("d/x")
            store.delete_tree("d/f")
        assert len(proxy.requests) == 5  # a, x, two lists, d/a
        store.put("d/x", b"new")
        assert (store.get("d/x"), sorted(store.keys("d"))) == (b"new", ["a", "e/b", "x"])
        store.delete_tree("d/e")
        assert (store.get("d/e/b"), store.children("d")) == (None, [])
        other.put("a", b"theirs")
        found = []
        store.replace("a", lambda data: found.append(data) or data + b" and mine")
        assert found == [b"a", b"theirs"]
    other.put("d/x", b"later")
    assert (store.get("a"), store.get("d/x")) == (b"theirs and mine", b"later")


def test_a_change_is_never_left_out_by_an_old_answer(server, proxy, place):
    other, store = (ObjectStore(place, {"endpoint": url}) for url in (server, proxy.url))
    other.put("d/a", b"mine")

    def mine(data):
        return b"mine"

    with store.remembered(["d/a"], folders=["d"]):
        assert store.get("d/b") is None
        other.put("d/a", b"theirs")
        other.put("d/b", b"theirs")
        seen = []
        store.replace("d/b", lambda data: seen.append(data))
        store.replace("d/a", mine)  # which what is remembered would leave as it is
        assert (other.get("d/a"), seen) == (b"mine", [None, b"theirs"])
        # An object that is to be new, though a list from before shows none.
        assert store.create("d/b", b"ours") is False
        assert store.get("d/b") == b"theirs"
        # A hold is taken over from the one that has it, not from one that had it.
        other.put("d/b", b"somebody's")
        assert store.create("d/b", b"ours", over=b"theirs") is False
        store.delete_if("d/b", b"theirs")
        assert other.get("d/b") == b"somebody's"


def test_an_answer_that_a_write_has_overtaken_is_not_kept(server, proxy, place):
    store = ObjectStore(place, {"endpoint": proxy.url})
    store.put("a", b"old")
    asked, written = threading.Event(), threading.Event()
    with store.remembered():

        def late():
            found = store._get("a")
            asked.set()
            assert written.wait(30)
            return found

        reader = threading.Thread(target=store._answers.ask, args=(store._object("a"), late))
        reader.start()
        assert asked.wait(30)
        store.put("a", b"new")
        written.set()
        reader.join()
        assert store.get("a") == b"new"


def test_what_is_asked_in_a_change_is_new_until_the_change_writes(server, proxy, place):
    other, store = (ObjectStore(place, {"endpoint": url}) for url in (server, proxy.url))
    other.put("a", b"old")

    def seen():
        with store.remembered(["a"], anew=True):
            return store.get("a")

    with store.remembered(), store.exclusive():
        assert (seen(), seen()) == (b"old", b"old")
        assert len(proxy.requests) == 1
        store.put("b", b"mine")
        other.put("a", b"of one who has not seen b")
        assert seen() == b"of one who has not seen b"


def test_changes_that_are_decided_together_ask_once_until_one_of_them_writes(server, proxy, place):
    other, store = (ObjectStore(place, {"endpoint": url}) for url in (server, proxy.url))
    other.put("a", b"old")

    def seen():
        with store.exclusive(), store.remembered(["a"], anew=True):
            return store.get("a")

    with store.deciding():
        assert (seen(), seen()) == (b"old", b"old")
        assert len(proxy.requests) == 1
        store.put("b", b"mine")
        other.put("a", b"theirs")
        assert (seen(), seen()) == (b"theirs", b"theirs")
        assert len(proxy.requests) == 3
    other.put("a", b"later")
    with store.deciding():
        assert seen() == b"later"


@pytest.mark.slow
def test_a_group_is_asked_for_once_in_each_step_of_a_build(tmp_path, server, proxy, place):
    folder = fill(tmp_path / "a.zarr", dimension_names=("z", "y", "x"))
    upload(folder, ObjectStore(place, {"endpoint": server}))
    build_pyramid(place, storage_options={"endpoint": proxy.url}, levels=2)
    group = f"{place.removeprefix('s3:/')}/zarr.json"
    # To plan, to seal level 0 and begin level 1, to begin level 2, to list the levels.
    assert proxy.requests.count(("GET", group)) == 4
    assert proxy.requests.count(("PUT", group)) == 1


def test_what_cannot_be_listed_is_asked_for_itself(server, proxy, place):
    ObjectStore(place, {"endpoint": server}).put("d/a", b"1")
    proxy.fault = lambda method, path, number: 403 if "list-type" in path else None
    store = ObjectStore(place, {"endpoint": proxy.url, **QUICK})
    with store.remembered(["d/b"], folders=["d"]):
        assert (store.get("d/a"), store.get("d/b"), store.size("d/a")) == (b"1", None, 1)
        with pytest.raises(StoreError, match="refuses it"):
            store.children("d")


def test_answers_that_are_taken_in_turn_are_asked_for_ahead(place):
    store, begun, together = ObjectStore(place, {}), [], threading.Barrier(ObjectStore.ahead)

    def ask(number):
        begun.append(number)
        together.wait(timeout=30)  # which ends when as many have begun
        if number == 12:
            raise StoreError("broken")
        return -number

    answers = store.each(ask, range(24))
    assert begun == []
    assert [next(answers) for _ in range(8)] == [-number for number in range(8)]
    assert len(begun) < 16  # no more are under way than are looked ahead
    with pytest.raises(StoreError, match="broken"):
        list(answers)
    together.abort()
    assert len(begun) < 24


@pytest.mark.slow
def test_two_that_change_attributes_at_once_lose_nothing(server, place):
    one, other = (ObjectStore(place, {"endpoint": server}) for _ in range(2))
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"kept": 1}}
    one.put("zarr.json", json.dumps(document).encode())
    asked = []

    def change(attributes):
        if not asked:  # between the other's reading and its writing
            change_group_attributes(other, "", lambda found: {**found, "theirs": 2})
        asked.append(attributes)
        return {**attributes, "mine": 3}

    node = change_group_attributes(one, "", change)
    assert node.attributes == {"kept": 1, "theirs": 2, "mine": 3}
    assert asked == [{"kept": 1}, {"kept": 1, "theirs": 2}]
    attributes = json.loads(one.get("zarr.json"))["attributes"]
    assert attributes == {"kept": 1, "theirs": 2, "mine": 3}


@pytest.mark.parametrize("changes", [False, True])
def test_groups_above_are_told_what_others_have_written_meanwhile(server, place, changes):
    one, other = (ObjectStore(place, {"endpoint": server}) for _ in range(2))
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    kept = {"kind": "inline", "must_understand": False, "metadata": {"g": group}}
    one.put("zarr.json", json.dumps({**group, "consolidated_metadata": kept}).encode())
    one.put("g/zarr.json", json.dumps(group).encode())
    mine = {"mine": 1} if changes else {}
    with one.remembered(["zarr.json", "g/zarr.json"]):
        assert one.get("g/zarr.json")
        change_group_attributes(other, "g", lambda found: {"theirs": 2})
        change_group_attributes(one, "g", lambda found: {**found, **mine})
    told = json.loads(one.get("zarr.json"))["consolidated_metadata"]["metadata"]["g"]
    assert told["attributes"] == {"theirs": 2, **mine}
    assert json.loads(one.get("g/zarr.json"))["attributes"] == {"theirs": 2, **mine}


def test_one_that_is_always_too_late_gives_up(server, place):
    store = ObjectStore(place, {"endpoint": server})
    numbers = iter(range(1000))

    def change(found):
        store.put("a", str(next(numbers)).encode())
        return b"mine"

    with pytest.raises(StoreError, match="changed by others 20 times"):
        store.replace("a", change)


def is_chunk(path, level=0):
    return f".zarr/{level}/c/" in path


def test_a_refused_object_is_an_error_and_never_fill_value(tmp_path, server, proxy, place):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    proxy.fault = lambda method, path, n: 403 if path.endswith("/0/c/1/2/0") else None
    with pytest.raises(StoreError, match="the server refuses") as caught:
        build_pyramid(place, storage_options={"endpoint": proxy.url}, levels=2)
    message = str(caught.value)
    assert f"{place}/0/c/1/2/0" in message
    assert "AWS_SECRET_ACCESS_KEY" in message
    assert "secret-of-a-test" not in message
    assert "\n" not in message
    assert direct.get("1/zarr.json") is None
    assert b"multiscales" not in direct.get("zarr.json")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["/1/c/1/1/0", "list-type"], ids=["put", "list"])
def test_who_may_not_write_or_list_is_told_so(tmp_path, server, proxy, place, what):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    proxy.fault = lambda method, path, n: 403 if what in path and method != "DELETE" else None
    with pytest.raises(StoreError, match=r"cannot (write|list) .*the server refuses") as caught:
        build_pyramid(place, storage_options={"endpoint": proxy.url}, levels=2)
    assert "AWS_SECRET_ACCESS_KEY" in str(caught.value)
    assert direct.get("1/zarr.json") is None


STORMS = {  # what is done to which requests, and to every how manieth of them
    "500": (500, "GET", 6),
    "503": (503, "GET", 6),
    "503 to put": (503, "PUT", 3),
    "answer cut": ("cut", "GET", 6),
    "answer to put cut": ("cut", "PUT", 3),
    "put cut": ("drop", "PUT", 3),
    "no answer": ("drop", "GET", 6),
    "heard twice": ("twice", "PUT", 1),
    "stalls": (1.5, "GET", 25),
    "put stalls": (1.5, "PUT", 6),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "storm",
    STORMS,
)
def test_a_storm_that_passes_is_sat_out(tmp_path, server, proxy, place, storm):
    upload(fill(tmp_path / "a.zarr"), ObjectStore(place, {"endpoint": server}))
    fault, chosen, period = STORMS[storm]
    asked = []

    def now_and_then(method, path, n):  # lists of keys and documents among them
        if method == chosen:
            asked.append(path)
        return fault if method == chosen and len(asked) % period == 0 else None

    proxy.fault = now_and_then
    found = build_pyramid(place, storage_options={"endpoint": proxy.url, "timeout": "1s"}, levels=2)
    assert len(asked) >= 2 * period
    assert found == build_pyramid(tmp_path / "a.zarr", levels=2)
    store = ObjectStore(place, {"endpoint": server})
    for key, data in objects(LocalStore(tmp_path / "a.zarr")).items():
        if key != "zarr.json":  # holds the store's name
            assert store.get(key) == data, key


@pytest.mark.slow
def test_a_list_of_keys_that_breaks_off_goes_on_where_it_was(server, proxy, place):
    direct = ObjectStore(place, {"endpoint": server})
    for n in range(1005):
        direct.put(f"{n:04}", b"x")
    lists = []

    def fault(method, path, n):
        lists.append(path)
        return "cut" if len(lists) in (1, 3, 4) else None

    proxy.fault = fault
    store = ObjectStore(place, {"endpoint": proxy.url})
    assert list(store.keys("")) == [f"{n:04}" for n in range(1005)]
    assert len(lists) == 5
    proxy.fault = lambda method, path, n: "cut"
    with pytest.raises(StoreError, match=f"cannot list {place}") as caught:
        list(store.keys(""))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("PUT", 503),
        ("GET", 500),
        ("PUT", "drop"),
        ("GET", "short"),
        ("GET", "cut"),
        ("GET", 1.5),
        ("PUT", 1.5),
    ],
)
def test_a_storm_that_stays_ends_the_run_with_nothing_published(
    tmp_path, server, proxy, place, method, fault
):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    level = 1 if method == "PUT" else 0

    def storm(asked, path, n):
        return fault if asked == method and path.endswith(f"/{level}/c/1/1/1") else None

    proxy.fault = storm
    told = f"cannot (read|write) {place}/{level}/c/1/1/1|{place}/0/c/1/1/1 is damaged"
    with pytest.raises(StoreError, match=told) as caught:
        build_pyramid(
            place, storage_options={"endpoint": proxy.url, "timeout": "1s", **QUICK}, levels=2
        )
    assert "\n" not in str(caught.value)
    assert direct.get("1/zarr.json") is None
    assert b"multiscales" not in direct.get("zarr.json")
    found = build_pyramid(place, storage_options={"endpoint": server}, levels=2)
    assert found == build_pyramid(tmp_path / "a.zarr", levels=2)


@pytest.mark.slow
def test_an_object_that_is_lost_is_missed(tmp_path, server, proxy, place):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    options = {"endpoint": proxy.url}
    proxy.fault = lambda method, path, n: 404 if path.endswith("/0/c/1/2/0") else None
    with pytest.raises(StoreError, match=f"{place}/0/c/1/2/0"):
        build_pyramid(place, storage_options=options, missing_chunks="error", levels=2)
    # What a level is made from has a digest: nothing else is taken for it.
    proxy.fault = lambda method, path, n: (
        404 if method == "GET" and path.endswith("/1/c/1/0/0") else None
    )
    with pytest.raises(VoxelError, match="holds other voxels than its record says"):
        build_pyramid(place, storage_options=options, levels=2)
    assert direct.get("1/zarr.json") is not None
    assert direct.get("2/zarr.json") is None


@pytest.mark.slow
def test_a_job_that_is_killed_leaves_nothing_that_is_seen(tmp_path, server, proxy, place):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    written = threading.Event()

    def fault(method, path, n):
        if method == "PUT" and is_chunk(path, 1):
            if written.is_set():
                return 30.0  # the job ends before
            written.set()
        return None

    proxy.fault = fault
    code = "import sys, zarrpyramid; zarrpyramid.build_pyramid(sys.argv[1], storage_options="
    code += "{'endpoint': sys.argv[2]}, levels=2)"
    with subprocess.Popen([sys.executable, "-c", code, place, proxy.url]) as job:
        assert written.wait(30)
        time.sleep(0.2)
        job.kill()
    proxy.fault = lambda method, path, n: None
    assert any(key.startswith("1/c/") for key in direct.keys(""))
    assert direct.get("1/zarr.json") is None
    assert b"multiscales" not in direct.get("zarr.json")
    found = build_pyramid(place, storage_options={"endpoint": server}, levels=2)
    assert found == build_pyramid(tmp_path / "a.zarr", levels=2)


@pytest.mark.slow
def test_two_processes_that_change_one_list_lose_nothing(server, place):
    store = ObjectStore(place, {"endpoint": server})
    document = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    store.put("zarr.json", json.dumps(document).encode())
    code = """
import sys
from zarrpyramid.metadata.tree import change_group_attributes
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.object_store import ObjectStore
files = ObjectStore(sys.argv[1], {"endpoint": sys.argv[2]})
for number in range(20):
    change_group_attributes(files, "", lambda found: {**found, f"{sys.argv[3]}{number}": number})
"""
    started = [subprocess.Popen([sys.executable, "-c", code, place, server, name]) for name in "ab"]
    assert [process.wait(60) for process in started] == [0, 0]
    attributes = json.loads(store.get("zarr.json"))["attributes"]
    assert attributes == {f"{name}{number}": number for name in "ab" for number in range(20)}


JOB = """
import sys
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.downsample.level import build_level
from zarrpyramid.downsample.log import job_log
from zarrpyramid.downsample.pyramid import seal_base

store, endpoint, told_in = sys.argv[1:]
with job_log(f"{told_in}.log", told_in) as told:
    keys = {"store": store, "levels": 1, "storage_options": {"endpoint": endpoint}}
    image = open_image(image_config("image", keys))
    build_level(image, 1, seal_base(image), n_workers=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "keywords"),
    [
        ((250, 250, 250), {"chunks": (25, 25, 25)}),  # windows across chunks
        ((256, 256, 512), {"chunks": (64, 64, 64), "shards": (256, 256, 256)}),
        ((512, 256, 256), {"chunks": (128, 128, 128)}),
    ],
    ids=["small chunks", "shards", "large chunks"],
)
def test_a_job_takes_the_memory_that_was_planned(tmp_path, server, place, shape, keywords):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    noise = np.random.default_rng(0).integers(0, 255, shape, "uint16")
    group.create_array("0", data=noise, **keywords)
    upload(tmp_path / "a.zarr", ObjectStore(place, {"endpoint": server}))
    keys = {"store": place, "levels": 1, "storage_options": {"endpoint": server}}
    planned = level_need(open_image(image_config("image", keys)), 1, 2, 1e8)
    job = [sys.executable, "-c", JOB, place, server, str(tmp_path / "told.json")]
    subprocess.run(job, check=True)
    taken = peak_memory(read_timing(tmp_path / "told.json"))
    assert planned.memory / 2.5 < taken < planned.resources["mem_mb"] * 1e6


def kind(request):
    """Return what a server counts a request as, and whether it is for voxels."""
    method, path = request
    if "list-type" in path:
        return "LIST", False
    return {"POST": "DELETE"}.get(method, method), "/c/" in path


@pytest.mark.slow
@pytest.mark.parametrize("shards", [None, (16, 16, 16)], ids=["chunks", "shards"])
def test_what_a_pyramid_costs_in_requests(tmp_path, server, proxy, place, shards):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    voxels = np.random.default_rng(0).integers(1, 99, (64, 64, 64), "uint16")
    group.create_array("0", data=voxels, chunks=(8, 8, 8), shards=shards)
    upload(tmp_path / "a.zarr", ObjectStore(place, {"endpoint": server}))
    options = {"endpoint": proxy.url}
    image = open_image(
        image_config("image", {"store": place, "levels": 3, "storage_options": options})
    )
    assert len(proxy.requests) <= 4  # the group and level 0, and whether a group is above them
    levels = image.plan.levels
    assert len(levels) == 4
    proxy.requests.clear()
    build_pyramid(place, storage_options=options, levels=3)
    seen = Counter(map(kind, proxy.requests))
    read, written = levels[:-1], levels[1:]
    assert seen["PUT", True] == sum(level.n_objects for level in written)
    # The index of a shard is asked for once, and the shard for its size.
    indexes = sum(level.n_objects for level in read if level.shards)
    assert seen["GET", True] == sum(level.n_chunks for level in read) + indexes
    assert seen["HEAD", True] == indexes
    documents = sum(n for (_, of_voxels), n in seen.items() if not of_voxels)
    assert documents <= 18 + 5 * len(written)
    # Their documents, level 0's, the list, and the note of who holds the image.
    assert seen["PUT", False] == len(written) + 3
    proxy.requests.clear()
    build_pyramid(place, storage_options=options, levels=3)
    again = Counter(map(kind, proxy.requests))
    # No sentinel says that level 0 is the same: its bytes are read, and none is decoded.
    assert again["GET", True] <= levels[0].n_chunks + levels[0].n_objects
    assert (again["PUT", True], again["PUT", False]) == (0, 1)
    assert sum(n for (_, of_voxels), n in again.items() if not of_voxels) <= 30 + 20 * len(written)


def test_a_job_of_a_level_makes_few_requests_for_documents_and_lists(
    tmp_path, server, proxy, place
):
    upload(fill(tmp_path / "a.zarr"), ObjectStore(place, {"endpoint": server}))
    keys = {"store": place, "levels": 2, "storage_options": {"endpoint": proxy.url}}
    config, results = image_config("image", keys), tmp_path / "results"
    (results / "levels").mkdir(parents=True)
    records = [seal_base(open_image(config))]
    for level in (1, 2):
        proxy.requests.clear()
        with ExitStack() as looks:
            image = open_image(config, looks=looks)
            given = {"n_workers": 1, "results": results, "looks": looks}
            records.append(build_level(image, level, records[-1], **given))
        assert sum(not of_voxels for _, of_voxels in map(kind, proxy.requests)) <= 12


@pytest.mark.slow
def test_what_is_noted_of_objects_is_kept(tmp_path, server, proxy, place, monkeypatch):
    monkeypatch.setattr(resumption, "PAUSE", 0.0)
    monkeypatch.setattr(resumption, "_SHARE", 0)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    voxels = np.random.default_rng(0).integers(1, 99, (48, 48, 48), "uint16")
    group.create_array("0", data=voxels, chunks=(8, 8, 8))
    folder, direct = tmp_path / "a.zarr", ObjectStore(place, {"endpoint": server})
    upload(folder, direct)

    def build(store, **keys):
        proxy.requests.clear()
        image = open_image(image_config("image", {"store": str(store), "levels": 2, **keys}))
        found = [seal_base(image)]
        for level in (1, 2):
            results = tmp_path / f"results-{len(keys)}"
            found.append(build_level(image, level, found[-1], n_workers=2, results=results))
        made = {path for method, path in proxy.requests if method == "PUT" and "/c/" in path}
        return found, [sum(is_chunk(path, level) for path in made) for level in (1, 2)]

    written = []

    def fault(method, path, number):
        if method == "PUT" and is_chunk(path, 1):
            written.append(path)
            if len(written) > 10:  # by then the others are noted, however slow the machine is
                return 2.0, 403
        return None

    proxy.fault = fault
    options = {"storage_options": {"endpoint": proxy.url}}
    with pytest.raises(StoreError):
        build(place, **options)
    proxy.fault = lambda method, path, number: None
    found, (n_made, _) = build(place, **options)
    assert found == build(folder)[0]
    assert 0 < n_made < 27

    # Of a chunk of level 0 that changes, its ancestors alone are made again.
    zarr.open_array(folder / "0")[0, 0, 0] += 1
    direct.put("0/c/0/0/0", (folder / "0/c/0/0/0").read_bytes())
    found, n_made = build(place, **options)
    assert n_made == [1, 1]
    assert found == build(folder)[0]

    # Also where its bytes are what they were: others may have been read between.
    time.sleep(1)
    direct.put("0/c/0/0/0", direct.get("0/c/0/0/0"))
    direct.delete("1/zarr.json")
    again, (n_made, _) = build(place, **options)
    assert n_made == 1
    assert again == found

    # So is what somebody else put in an object's place.
    direct.put("1/c/1/1/1", direct.get("1/c/0/0/0"))
    direct.delete("1/zarr.json")
    found, (n_made, _) = build(place, **options)
    assert n_made == 1
    assert found == build(folder)[0]
    for level in (1, 2):
        kept = {key: data for key, data in objects(direct).items() if key.startswith(f"{level}/")}
        assert all((folder / key).read_bytes() == data for key, data in kept.items())


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("method", "level"), [("GET", 0), ("PUT", 1)], ids=["looked at", "read"])
def test_a_level_is_not_published_of_a_level_0_that_changed(
    tmp_path, server, proxy, place, method, level
):
    direct = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), direct)
    theirs, once = direct.get("0/c/1/1/1"), iter([True])

    def fault(asked, path, number):
        if asked == method and is_chunk(path, level) and next(once, False):
            direct.put("0/c/0/0/0", theirs)

    proxy.fault = fault
    given = {"storage_options": {"endpoint": proxy.url}, "levels": 1}
    with pytest.raises(VoxelError, match=r"changed while level 1 was made of it, .* run again"):
        build_pyramid(place, **given)
    assert direct.get("1/zarr.json") is None
    assert "ome" not in json.loads(direct.get("zarr.json"))["attributes"]
    build_pyramid(place, **given)
    assure_pyramid(place, storage_options={"endpoint": server}, n_workers=1, seed=0)  # raises


def test_no_bucket(server):
    with pytest.raises(StoreError, match="there is no bucket elsewhere"):
        build_pyramid("s3://elsewhere/a.zarr", storage_options={"endpoint": server}, levels=2)


@pytest.mark.slow
def test_the_metadata_document_comes_after_all_objects(tmp_path, server, proxy, place):
    upload(fill(tmp_path / "a.zarr"), ObjectStore(place, {"endpoint": server}))
    build_pyramid(place, storage_options={"endpoint": proxy.url}, levels=2)
    puts = [path for method, path in proxy.requests if method == "PUT"]
    document = next(n for n, path in enumerate(puts) if path.endswith("/1/zarr.json"))
    assert any(is_chunk(path, 1) for path in puts[:document])
    assert not any(is_chunk(path, 1) for path in puts[document:])
    assert puts[-1].endswith(".zarr/zarr.json")


@pytest.mark.parametrize(
    ("store", "options", "message"),
    [
        ("https://host/a.zarr", {}, "is a URL of https"),
        ("s3://me:word@bucket/a.zarr", {}, "must be s3://BUCKET/PATH"),
        ("s3://bucket/../a.zarr", {}, "must be s3://BUCKET/PATH"),
        ("s3://b/a", {"secret_access_key": "x"}, "set AWS_SECRET_ACCESS_KEY in the env"),
        ("s3://b/a", {"aws_session_token": "x"}, "set AWS_SESSION_TOKEN in the env"),
        ("az://b/a", {"account_key": "x"}, "set AZURE_STORAGE_ACCOUNT_KEY in the env"),
        ("s3://b/a", {"endpoint": "http://me:word@host"}, "holds a secret"),
        ("s3://b/a", {"endpoint": ["x"]}, "expected a text, a number, true or false"),
    ],
)
def test_what_is_refused(store, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        image_configs({"store": store, "storage_options": options})
    assert "me:word" not in str(caught.value)


def test_an_unknown_option_is_named(place):
    with pytest.raises(ConfigError, match="endpiont"):
        build_pyramid(place, storage_options={"endpiont": "http://127.0.0.1:1"}, levels=2)


def test_without_obstore_the_command_to_install_it_is_told(place):
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from zarrpyramid import build_pyramid\n"
        f"build_pyramid({place!r}, levels=2)"
    )
    library = Path(build_pyramid.__code__.co_filename).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(library)},
    )
    assert f"needs the package obstore; {extra_command('remote')}" in done.stderr
