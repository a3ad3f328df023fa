"""Level 0 from a web server into an object store, and what a second run asks for."""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest
import zarr

from servers import BUCKET, ENVIRONMENT, Proxy, s3_server, web_server
from zarrpyramid.config import image_config
from zarrpyramid.plan.image import open_image
from zarrpyramid.stores.hold import held
from zarrpyramid.stores.object_store import ObjectStore


@pytest.mark.slow
def test_from_a_web_server(workspace):
    workspace.make("there/a.zarr", shape=(20, 16, 16))
    workspace.make("there/a.zarr/more", shape=(9, 9, 9))
    asked = []
    with web_server(workspace / "there", asked) as web:
        given = {"store": workspace / "b.zarr", "source": f"{web}/a.zarr", "levels": 2}
        workspace.run(**given)
        assert (workspace.voxels("b.zarr/0") == workspace.voxels("there/a.zarr/0")).all()
        asked.clear()
        assert workspace.run(**given).jobs == []
        assert Counter(method for method, _ in asked) == {"HEAD": 12, "GET": 3}


@pytest.mark.slow
def test_a_source_on_a_web_server_that_changes(workspace):
    workspace.make("there/a.zarr", shape=(20, 16, 16))
    with web_server(workspace / "there") as web:
        given = {"store": workspace / "b.zarr", "source": f"{web}/a.zarr", "levels": 2}
        workspace.run(**given)
        zarr.open_array(workspace / "there/a.zarr/0", mode="r+")[0] = 3
        assert workspace.run("all", "verify", **given).jobs[:3] == ["take", "0", "1"]
        assert (workspace.voxels("b.zarr/0") == workspace.voxels("there/a.zarr/0")).all()


@pytest.mark.slow
def test_from_a_web_server_into_an_object_store(new_workspace, monkeypatch):
    workspace = new_workspace()
    workspace.make("there/a.zarr", shape=(20, 16, 16))
    asked = []
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with s3_server() as s3, Proxy(s3) as proxy, web_server(workspace / "there", asked) as web:
        store, options = f"s3://{BUCKET}/b.zarr", {"endpoint": proxy.url}
        given = {
            "store": store,
            "field": "raw",
            "levels": 2,
            "source": f"{web}/a.zarr",
            "storage_options": f"{{endpoint: '{proxy.url}'}}",
        }
        first = workspace.run(**given)
        assert "take" in str(first.jobs)
        local = {"store": workspace / "c.zarr", "source": workspace / "there/a.zarr"}
        assert workspace.run(**local, levels=2).jobs
        for level in ("1", "2"):
            assert workspace.sentinels("b-raw")[level] == workspace.sentinels("c")[level]

        # Nothing to do: one look at each document and object, nothing read and nothing written but
        # the hold, which goes again.
        asked.clear()
        proxy.requests.clear()
        second = workspace.run(**given)
        assert not second.jobs
        assert Counter(method for method, _ in asked) == {"HEAD": 12, "GET": 3}
        assert not [path for method, path in proxy.requests if re.search(r"/c/\d", path)]
        written = [each for each in proxy.requests if each[0] not in ("GET", "HEAD")]
        hold = f"/{BUCKET}/b.zarr/raw/.zarrpyramid-hold"
        assert written == [("PUT", hold), ("POST", f"/{BUCKET}?delete")]
        assert len(proxy.requests) <= 33

        # Another run holds it.
        config = image_config("b", {"store": store, "field": "raw", "storage_options": options})
        image = open_image(config)
        with held(image.store, image.path, makes_group=True):
            refused = workspace.run(code=1, **given)
            assert f"{store}/raw is held by a run of" in refused.text

        # An object of the source changes, and one of level 0.
        voxels = zarr.open_array(workspace / "there/a.zarr/0", mode="r+")
        voxels[0] = 3
        changed = workspace.run(**given)
        assert "take" in str(changed.jobs)
        key = "raw/0/c/0/0/0"
        files = ObjectStore(store, {"endpoint": s3})
        assert files.get(key) == (workspace / "there/a.zarr/0/c/0/0/0").read_bytes()
        files.put(key, files.get(key)[::-1])
        assert "take" in str(workspace.run(**given).jobs)
        assert files.get(key) == (workspace / "there/a.zarr/0/c/0/0/0").read_bytes()

        # A proof, of which the options come from the configuration.
        workspace.run("verify", **given)
        assert (workspace / "results/b-raw/verify.json").exists()
        assert os.fspath(files.name) in (workspace / "results/b-raw/summary.md").read_text()
