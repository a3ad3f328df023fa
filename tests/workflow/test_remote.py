"""The workflow on a store in an object store, by real snakemake processes and a real S3 server."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from servers import BUCKET, ENVIRONMENT, Proxy, s3_server
from zarrpyramid.stores.hold import HOLD_FILE
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.object_store import ObjectStore


def sentinels(folder):
    """Return what proves the levels: level 0's holds no path, and the others no store."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("levels/*.json"))}


@pytest.mark.slow
def test_the_same_sentinels_as_from_a_local_run(new_workspace, monkeypatch):
    workspace = new_workspace()
    group = zarr.open_group(workspace / "a.zarr", mode="w")
    voxels = np.random.default_rng(0).integers(0, 999, (20, 16, 16)).astype("uint16")
    group.create_array("0", data=voxels, chunks=(8, 8, 8))
    with s3_server() as url, Proxy(url) as proxy:
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
            workspace.environment[name] = value
        store = f"s3://{BUCKET}/data/a.zarr"
        files, local = ObjectStore(store, {"endpoint": url}), LocalStore(workspace / "a.zarr")
        for key in local.keys(""):
            files.put(key, local.get(key))
        # Through a proxy from the start, which misbehaves at the end.
        given = {"store": store, "levels": 2, "storage_options": f"{{endpoint: '{proxy.url}'}}"}
        first = workspace.run(**given)
        proxy.requests.clear()
        assert workspace.run(**given).jobs == []
        # It holds the image while it looks, and writes nothing else.
        noted = [method for method, path in proxy.requests if path.endswith(HOLD_FILE)]
        written = [method for method, _ in proxy.requests if method not in ("GET", "HEAD")]
        assert len(written) <= 2
        assert noted.count("PUT") == written.count("PUT") == 1
        assert [pair for pair in proxy.requests if "/c/" in pair[1]] == []
        assert len(proxy.requests) < 30
        (workspace / "results").rename(workspace / "remote")
        assert workspace.run(store=workspace / "a.zarr", levels=2).jobs == first.jobs
        proved = sentinels(workspace / "remote" / "a")
        assert proved == sentinels(workspace / "results" / "a")
        assert "secret-of-a-test" not in "".join(
            path.read_text(errors="replace")
            for path in workspace.folder.rglob("*")
            if path.is_file()
        )
        proxy.fault = lambda method, path, number: 403
        refused = workspace.run(code=1, **given)
        assert f"cannot read {store}" in refused.text
        assert "Traceback" not in refused.text
