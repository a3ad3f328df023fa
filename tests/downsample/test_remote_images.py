"""Images at URLs: sources, commands and holds, on a real S3 server and a real web server."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import zarr

from servers import BUCKET, ENVIRONMENT, Proxy, s3_server, web_server
from zarrpyramid import build_pyramid
from zarrpyramid.cli.program import main
from zarrpyramid.config import image_config, image_configs
from zarrpyramid.downsample.pyramid import clean
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.plan.base_objects import source_layout
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.hold import HOLD_FILE, held, take_hold
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.object_store import ObjectStore
from zarrpyramid.stores.web import WebStore

VOXELS = np.random.default_rng(0).integers(1, 999, (19, 24, 21)).astype("uint16")


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
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name).strip("-")
    return f"s3://{BUCKET}/{name}.zarr"


def fill(folder, *, zarr_format=3, name="0", **keywords):
    group = zarr.open_group(folder, mode="a", zarr_format=zarr_format)
    group.create_array(name, data=VOXELS, chunks=(8, 10, 7), **keywords)
    return folder


def upload(folder, store):
    for key in LocalStore(folder).keys(""):
        store.put(key, (Path(folder) / key).read_bytes())


def chunks_of(folder):
    return {key: data for key, data in objects(LocalStore(folder)).items() if key[0].isdigit()}


def objects(store):
    return {key: store.get(key) for key in store.keys("")}


def bodies(requests):
    """Return the paths of the chunks that were read."""
    return [path for method, path in requests if method == "GET" and re.search(r"/0/c/\d", path)]


FORMS = pytest.mark.parametrize(
    "keywords",
    [{}, {"shards": (16, 20, 14)}, {"zarr_format": 2}],
    ids=["v3", "v3 shards", "v2"],
)


@pytest.mark.sampled(1)
@FORMS
def test_a_source_on_a_web_server_is_copied_to_the_byte_and_once(tmp_path, keywords):
    folder = fill(tmp_path / "there" / "a b.zarr", **keywords)
    expected = build_pyramid(tmp_path / "local.zarr", source=folder, levels=2)
    asked = []
    with web_server(tmp_path / "there", asked) as url:
        given = {"source": f"{url}/a%20b.zarr/"}
        assert build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given}) == expected
        found = chunks_of(tmp_path / "mine.zarr")
        for key, data in chunks_of(tmp_path / "local.zarr").items():
            if not key.endswith(("json", ".zattrs")):
                assert found[key] == data, key
        asked.clear()
        assert build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given}) == expected
        assert {method for method, path in asked if re.search(r"\d[./]\d", path)} == {"HEAD"}


def test_a_chunk_that_a_web_server_has_not_is_fill_value_and_told(tmp_path, caplog):
    folder = fill(tmp_path / "a.zarr")
    (folder / "0" / "c" / "1" / "1" / "1").unlink()
    expected = build_pyramid(tmp_path / "local.zarr", source=folder, levels=2)
    caplog.clear()
    with web_server(tmp_path) as url:
        with pytest.raises(
            StoreError, match=r"a.zarr/0/c/1/1/1 is missing, but missing_chunks: error"
        ):
            build_pyramid(tmp_path / "no", source=f"{url}/a.zarr", missing_chunks="error", levels=2)
        assert build_pyramid(tmp_path / "mine.zarr", source=f"{url}/a.zarr", levels=2) == expected
        assert f"{url}/a.zarr/0 has no c/1/1/1, which stands for fill value" in caplog.text
    assert not (tmp_path / "no" / "0" / "zarr.json").exists()


def test_a_chunk_that_a_web_server_refuses_is_an_error(tmp_path):
    fill(tmp_path / "a.zarr")
    with web_server(tmp_path, refused=lambda path: path.endswith("c/1/1/1")) as url:
        with pytest.raises(StoreError, match=r"refuses it to everybody .over http no cred") as told:
            build_pyramid(
                tmp_path / "mine.zarr", source=f"{url}/a.zarr", base_watch="metadata", levels=2
            )
        assert f"{url}/a.zarr/0/c/1/1/1" in str(told.value)
    assert not (tmp_path / "mine.zarr" / "0" / "zarr.json").exists()


def test_what_is_no_image_on_a_web_server(tmp_path):
    (tmp_path / "index.html").write_text("<html>")
    with web_server(tmp_path) as url:
        with pytest.raises(StoreError, match="is neither a zarr group nor an array"):
            build_pyramid(tmp_path / "mine.zarr", source=f"{url}/b.zarr", levels=2)
        zarr.create_group(tmp_path / "c.zarr")
        with pytest.raises(StoreError, match="has no array 0 for level 0"):
            build_pyramid(tmp_path / "mine.zarr", source=f"{url}/c.zarr", levels=2)


@pytest.mark.slow
def test_a_copy_from_s3_that_died_goes_on_with_what_is_missing(tmp_path, proxy, server, place):
    upload(fill(tmp_path / "a.zarr"), ObjectStore(place, {"endpoint": server}))
    given = {"source": place, "source_options": {"endpoint": proxy.url}, "n_workers": 1}
    proxy.fault = lambda method, path, n: 403 if path.endswith("0/c/2/0/0") else None
    mine = tmp_path / "mine.zarr"
    with pytest.raises(StoreError, match="refuses"):
        build_pyramid(mine, **{"levels": 2, **given})
    there = {key for key in LocalStore(mine / "0").keys("") if key.startswith("c/")}
    assert there
    assert not (mine / "0" / "zarr.json").exists()
    proxy.fault = lambda method, path, n: None
    proxy.requests.clear()
    expected = build_pyramid(tmp_path / "local.zarr", source=tmp_path / "a.zarr", levels=2)
    assert build_pyramid(mine, **{"levels": 2, **given}) == expected
    assert sorted(bodies(proxy.requests)) == sorted(
        f"/{place[5:]}/0/{key}"
        for key in LocalStore(tmp_path / "a.zarr/0").keys("")
        if key.startswith("c/") and key not in there
    )
    assert sorted(path.name for path in (mine / "0").iterdir()) == ["c", "zarr.json"]


@pytest.mark.slow
def test_what_was_copied_of_another_state_of_the_source_is_not_kept(tmp_path, proxy, server, place):
    store = ObjectStore(place, {"endpoint": server})
    folder = fill(tmp_path / "a.zarr", compressors=None)
    upload(folder, store)
    given = {
        "source": place,
        "source_options": {"endpoint": proxy.url},
        "n_workers": 1,
        "levels": 1,
    }
    proxy.fault = lambda method, path, n: 403 if path.endswith("0/c/2/0/0") else None
    with pytest.raises(StoreError, match="refuses"):
        build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given})
    proxy.fault = lambda method, path, n: None
    zarr.open_array(folder / "0", mode="r+")[-1, -1, -1] = 7  # of the same size
    upload(folder, store)
    proxy.fault = lambda method, path, n: 403 if "/0/c/" in path else None
    with pytest.raises(StoreError, match="refuses"):
        build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given})
    proxy.fault = lambda method, path, n: None
    built = build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given})
    assert built == build_pyramid(tmp_path / "local.zarr", source=folder, levels=1)
    # Whole by now: an object of the source, and one of the copy.
    zarr.open_array(folder / "0", mode="r+")[9, 0, 0] = 8
    upload(folder, store)
    damaged = tmp_path / "mine.zarr/0/c/0/0/0"
    damaged.write_bytes(damaged.read_bytes()[::-1])
    again = build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given})
    assert again == build_pyramid(tmp_path / "local.zarr", source=folder, levels=1)
    assert again != built
    damaged.write_bytes(damaged.read_bytes()[::-1])
    assert build_pyramid(tmp_path / "mine.zarr", **{"levels": 2, **given}) == again
    assert damaged.read_bytes() == (folder / "0/c/0/0/0").read_bytes()


@pytest.mark.slow
def test_from_one_object_store_to_another(tmp_path, server, place):
    options = {"endpoint": server}
    folder = fill(tmp_path / "a.zarr")
    upload(folder, ObjectStore(f"{place}/from", options))
    given = {"storage_options": options, "source_options": options}
    built = build_pyramid(f"{place}/to", "raw", source=f"{place}/from", levels=2, **given)
    assert built == build_pyramid(tmp_path / "b.zarr", "raw", source=folder, levels=2)
    for store in (f"{place}/from", f"{place}/from/0", place):
        with pytest.raises(StoreError, match="overlap"):
            build_pyramid(store, source=f"{place}/from", **given)


def test_a_change_of_an_object_of_a_web_server_is_seen(tmp_path):
    folder = fill(tmp_path / "a.zarr")
    with web_server(tmp_path) as url:

        def look(**settings):
            given = {"store": str(tmp_path / "b"), "source": f"{url}/a.zarr", **settings}
            return source_layout(open_image(image_config("a", {**GIVEN, **given}))).watch

        before = look()
        assert look() == before
        os.utime(folder / "0/c/1/1/1", (0, 0))
        assert look() != before
        assert look(base_watch="metadata") == look(base_watch="metadata")


GIVEN = {"levels": 1}


def told(capsys):
    out = capsys.readouterr()
    return out.out + out.err


@pytest.mark.slow
def test_commands_on_a_url(tmp_path, server, place, capsys):
    store = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr/in"), store)
    build_pyramid(place, storage_options={"endpoint": server}, levels=2)
    option = ["--storage-option", f"endpoint={server}"]
    assert main(["status", place, *option]) == 0
    assert "yes" in told(capsys)
    assert main(["verify", place, *option, "--full", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"]
    assert main(["lint", place, *option, "--viewer", "napari"]) in (0, 1)
    assert main(["plan", place, *option]) == 0
    assert f"free: not checked, {place} is no local folder" in told(capsys)
    assert main(["reproduce", place, *option]) == 0
    assert f"endpoint: {server}" in "".join(told(capsys).replace("'", ""))
    before = objects(store)
    store.delete("1/c/0/0/0")
    store.put("2/zarr.json", b"{")
    assert main(["verify", place, *option]) == 1
    said = told(capsys)
    assert f"verify {place} --storage-option endpoint={server} --repair" in said
    assert main(["status", place, *option]) == 1
    assert main(["verify", place, *option, "--repair", "--sample", "3"]) == 0
    assert objects(store) == before
    # Options from a configuration: of the image that stands there.
    (tmp_path / "c.yaml").write_text(
        f"storage_options: {{endpoint: 'http://127.0.0.1:1', max_retries: 0}}\nimages:\n  a:\n"
        f"    store: {place}\n    storage_options: {{endpoint: '{server}'}}\n"
    )
    assert main(["clean", place, "--configfile", str(tmp_path / "c.yaml")]) == 0
    assert "removed levels: 1, 2" in told(capsys)
    assert {key.split("/")[0] for key in store.keys("")} == {"0", "zarr.json"}


def test_commands_on_a_web_server(tmp_path, capsys):
    build_pyramid(fill(tmp_path / "a.zarr", shards=(16, 20, 14)), levels=2)
    with web_server(tmp_path) as url:
        there = f"{url}/a.zarr"
        assert main(["verify", there, "--full"]) == 0
        assert main(["status", there]) == 0
        assert main(["lint", there, "--viewer", "napari"]) in (0, 1)
        assert main(["reproduce", there]) == 0
        assert main(["unlock", there]) == 0
        assert "is held by nobody" in told(capsys)
        for command in ("clean", "plan"):
            assert main([command, there]) == 2
            assert "store is a URL of http, expected a path, or one of s3://" in told(capsys)
        (tmp_path / "a.zarr/1/c/0/0/0").unlink()
        assert main(["verify", there]) == 1
        assert "lacks 1 stored object" in told(capsys)
        assert main(["status", there]) == 1
        shutil.rmtree(tmp_path / "a.zarr/1")
        assert main(["verify", there]) == 1
        assert main(["verify", f"{url}/none"]) == 2
        assert "there is no zarr group" in told(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s3://b/a", "--storage-option", "secret_access_key=word"], "set AWS_SECRET_ACCESS_KEY"),
        (["s3://b/a", "--storage-option", "word"], "expected KEY=VALUE"),
        (["s3://me:word@b/a"], "must be s3://BUCKET/PATH and nothing else"),
        (["https://me:word@b/a"], "must be https://HOST/PATH and nothing else"),
        (["https://b/a?token=word"], "must be https://HOST/PATH and nothing else"),
        (["ftp://me:word@b/a"], "is a URL of ftp, expected"),
    ],
)
def test_commands_that_are_refused_tell_no_secret(arguments, message, capsys):
    with pytest.raises(SystemExit) if message.startswith("expected") else memoryview(b""):
        assert main(["verify", *arguments]) == 2
    said = told(capsys)
    assert message in said
    assert "word" not in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"source": "s3://b/a", "link_base": True},
            "link_base needs a local folder as source, s3://b/a",
        ),
        (
            {"store": "s3://b/a", "source": "a", "link_base": True},
            "needs a local folder as store, s3://b/a",
        ),
        ({"source": "https://h/a", "source_options": {"bearer_token": "x"}}, "over http no cred"),
        ({"source": "s3://b/a", "source_options": {"token": "x"}}, "source_options.token holds a"),
        ({"source": "ftp://b/a"}, "source is a URL of ftp"),
        ({"store": "https://h/a"}, "give it as source beside a store of your own"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        image_configs({"store": "c.zarr", **given})


def test_files_of_a_web_server_are_read_only(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with web_server(tmp_path) as url:
        store = WebStore(url, {})
        assert store.get_range("a", 2, 3) == b"234"
        assert store.get_range("a", -4, 2) == b"67"
        assert store.get_range("b", -4, 2) is None
        assert (store.size("a"), store.size("b")) == (10, None)
        for refused in (
            lambda: store.put("a", b""),
            lambda: store.delete("a"),
            lambda: store.delete_tree(""),
            lambda: store.replace("a", lambda found: b""),
            lambda: list(store.keys("")),
            lambda: store.children(""),
        ):
            with pytest.raises(StoreError, match="is on a web server, which"):
                refused()
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_files_of_a_server_that_gives_parts_and_etags(server, place):
    store = ObjectStore(place, {"endpoint": server})

    def put(data):
        public = {"x-amz-acl": "public-read", "Content-Type": "application/octet-stream"}
        urlopen(Request(f"{server}/{place[5:]}/a", data, public, method="PUT")).close()

    put(b"0123456789")
    web = WebStore(f"{server}/{place[5:]}", {"timeout": "30s"})
    assert web.get_range("a", 2, 3) == b"234"
    assert web.get_range("a", -4, 2) == b"67"
    before = web.version("a")
    assert before == store.version("a") == next(store.stats(""))[1:]
    put(b"9876543210")
    assert web.version("a") != before
    with pytest.raises(ConfigError, match="cannot be opened with storage_options"):
        WebStore(server, {"endpoint": "x"}).get("a")


def opened(place, server):
    given = {"store": place, "storage_options": {"endpoint": server}}
    return open_image(image_config("image", given))


def placed(place, server):
    image = opened(place, server)
    return image.store, image.path


@pytest.mark.slow
def test_one_run_at_a_time_holds_an_image(tmp_path, server, place, capsys):
    store = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), store)
    option = ["--storage-option", f"endpoint={server}"]
    with held(*placed(place, server)):
        for second in (build_pyramid, clean):
            with pytest.raises(StoreError, match=r"is held by a run of \S+ on host \S+, process"):
                second(place, storage_options={"endpoint": server})
        assert main(["unlock", place, *option]) == 2
        assert "wait until it has ended, or stop it" in told(capsys)
        assert store.get("1/zarr.json") is None
        note = json.loads(store.get(HOLD_FILE))
    assert store.get(HOLD_FILE) is None
    # One of another host, which can be freed by hand alone; one of this host that is gone.
    store.put(HOLD_FILE, json.dumps({**note, "host": "elsewhere"}).encode())
    way = rf"unlock {place} --storage-option endpoint={server} frees it"
    with pytest.raises(StoreError, match=way):
        take_hold(*placed(place, server))
    assert main(["unlock", place, *option]) == 0
    assert "is free; it was held by a run of" in told(capsys)
    store.put(HOLD_FILE, json.dumps({**note, "start": "another boot 17"}).encode())
    with held(*placed(place, server)):
        assert json.loads(store.get(HOLD_FILE))["token"] != note["token"]
        store.put(HOLD_FILE, b"another's")
    assert store.get(HOLD_FILE) == b"another's"


@pytest.mark.slow
def test_of_many_that_find_a_dead_one_s_hold_one_takes_it_over(tmp_path, server, place):
    store = ObjectStore(place, {"endpoint": server})
    upload(fill(tmp_path / "a.zarr"), store)
    with held(*placed(place, server)):
        note = json.loads(store.get(HOLD_FILE))
    store.put(HOLD_FILE, json.dumps({**note, "start": "another boot 17"}).encode())
    images, taken, refused = [opened(place, server) for _ in range(6)], [], []

    def take(image):
        try:
            taken.append(take_hold(image.store, image.path))
        except StoreError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=take, args=(image,)) for image in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (1, 5)


@pytest.mark.slow
def test_who_may_not_write_holds_nothing(tmp_path, proxy, server, place):
    upload(fill(tmp_path / "a.zarr"), ObjectStore(place, {"endpoint": server}))
    proxy.fault = lambda method, path, n: 403 if method == "PUT" else None
    assert take_hold(*placed(place, proxy.url)) is None


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["with a blank", "a%20b", "ümläut", "100%", "a+b=c&d"])
def test_unusual_names(tmp_path, server, name):
    store = f"s3://{BUCKET}/names/{name}.zarr"
    files = ObjectStore(f"s3://{BUCKET}", {"endpoint": server})
    folder = fill(tmp_path / "a.zarr")
    for key in LocalStore(folder).keys(""):
        files.put(f"names/{name}.zarr/{name}/{key}", (folder / key).read_bytes())
    assert build_pyramid(store, name, storage_options={"endpoint": server}, levels=2)
    option = ["--storage-option", f"endpoint={server}"]
    assert main(["verify", f"{store}/{name}", *option, "--sample", "1"]) == 0
    (config,) = image_configs({"store": store, "field": name}, tmp_path)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", config.name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part:UserWarning")
def test_a_store_at_the_root_of_a_bucket_and_two_fields_of_it(tmp_path, server):
    folder = tmp_path / "whole"
    fill(folder / "one")
    fill(folder / "two")
    zarr.consolidate_metadata(zarr.open_group(folder, mode="a").store)
    store = ObjectStore("s3://wholly", {"endpoint": server})
    urlopen(Request(f"{server}/wholly", method="PUT")).close()
    upload(folder, store)
    for given in (("s3://wholly/", "one"), ("s3://wholly/two", "")):
        build_pyramid(*given, storage_options={"endpoint": server}, levels=1)
    seen = json.loads(store.get("zarr.json"))["consolidated_metadata"]["metadata"]
    assert {"one/1", "two/1"} < set(seen)
    option = ["--storage-option", f"endpoint={server}"]
    assert main(["verify", "s3://wholly/two", *option, "--sample", "1"]) == 0
    names = [image_configs({"store": s, "field": f})[0].name for s, f in
             (("s3://wholly", "one"), ("s3://wholly/two", ""))]  # fmt: skip
    assert names == ["wholly-one", "two"]


def test_a_bucket_that_may_not_be_listed(tmp_path, server, proxy, place):
    """S3 answers 403 for what is absent there; the ways out are to list nothing, or the right."""
    fill(tmp_path / "theirs", zarr_format=2)
    upload(tmp_path / "theirs", ObjectStore(place, {"endpoint": server}))
    path = place.removeprefix("s3:/")
    known = {f"{path}/{key}" for key in objects(LocalStore(tmp_path / "theirs"))}
    proxy.fault = lambda method, path, n: None if path.partition("?")[0] in known else 403
    options = {"endpoint": proxy.url, "max_retries": 0}
    keys = {"source": place, "source_options": options, "levels": 1, "progress": False}
    with pytest.raises(StoreError, match=r"refuses it .*, set base_watch: metadata") as error:
        build_pyramid(tmp_path / "own", **keys)
    assert "other credentials" in str(error.value)
    watched = build_pyramid(tmp_path / "own", base_watch="metadata", **keys)
    proxy.fault = lambda method, path, n: None  # the right to list
    listed = build_pyramid(tmp_path / "second", **keys)
    assert [record.get("digest") for record in watched[1:]] == [
        record.get("digest") for record in listed[1:]
    ]
