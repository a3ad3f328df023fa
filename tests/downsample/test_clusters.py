"""Dask clusters that are named by their address: equal levels, or one line that says why not."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

import zarrpyramid
from dask_elsewhere import LIBRARY, Elsewhere
from zarrpyramid import PyramidError, build_pyramid
from zarrpyramid.downsample.cluster import Cluster
from zarrpyramid.downsample.run import run_blocks
from zarrpyramid.errors import ConfigError, StoreError, WorkerError
from zarrpyramid.stores.local import LocalStore
from zarrpyramid.stores.probe import Probe, laid_probe


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with Elsewhere(tmp_path_factory.mktemp("clusters") / "elsewhere") as address:
        yield address


def make(path, shape=(70, 60, 50)):
    group = zarr.create_group(path)
    voxels = np.random.default_rng(3).integers(0, 65535, shape, "uint16")
    group.create_array("0", data=voxels, chunks=(8, 8, 8))
    return path


def tree(path):
    return {
        str(item.relative_to(path)): hashlib.sha256(item.read_bytes()).hexdigest()
        for item in sorted(Path(path).rglob("*"))
        if item.is_file()
    }


def tasks_run(address):
    """Return how many tasks all workers of a cluster have run."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values())


@pytest.fixture
def undisturbed(tmp_path):
    store = make(tmp_path / "here" / "image.zarr")
    return build_pyramid(store, n_workers=2, progress=False, levels=2), tree(store)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["key", "environment", "client"])
def test_a_cluster_elsewhere_makes_the_same_files(tmp_path, monkeypatch, address, undisturbed, by):
    from distributed import Client

    store = make(tmp_path / "image.zarr")
    monkeypatch.chdir(tmp_path)
    n_before = tasks_run(address)
    key = address if by == "key" else ""
    if by == "environment":
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
    client = Client(address) if by == "client" else None
    try:
        # A relative path, which the workers would look for in their own folder.
        records = build_pyramid("image.zarr", dask_scheduler=key, progress=False, levels=2)
    finally:
        if client is not None:
            client.close()
    assert (records, tree(store)) == undisturbed
    assert tasks_run(address) - n_before >= len(records) - 1


@pytest.mark.slow
def test_clients_of_one_cluster_do_not_get_each_others_results(address):
    from distributed import Client

    def results(offset):
        with Client(address, set_as_default=False) as client:
            probe = Probe(objects=())
            cluster = Cluster(client=client, probe=probe, n_threads=2)

            def slow_sum(place):  # the other client's tasks are there at the same time
                time.sleep(0.05)
                return offset + sum(place)

            return sorted(run_blocks(slow_sum, (3, 4), n_workers=1, cluster=cluster))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(results, [0, 1000])
    assert first == sorted(i + j for i in range(3) for j in range(4))
    assert second == [1000 + number for number in first]


@pytest.mark.slow
def test_a_level_0_is_copied_there_too(tmp_path, address, undisturbed):
    n_before = tasks_run(address)
    source, store = tmp_path / "here" / "image.zarr", tmp_path / "image.zarr"
    build_pyramid(store, source=source, dask_scheduler=address, levels=1, progress=False)
    n_objects = 9 * 8 * 7 + 5 * 4 * 4
    assert {key: found for key, found in tree(store).items() if "/c/" in key} == {
        key: found for key, found in undisturbed[1].items() if key[:4] in ("0/c/", "1/c/")
    }
    assert 8 * (tasks_run(address) - n_before) >= n_objects


@pytest.mark.slow
def test_a_worker_with_another_library_is_refused_before_anything_is_written(tmp_path):
    library = tmp_path / "library"
    shutil.copytree(LIBRARY / "zarrpyramid", library / "zarrpyramid")
    init = library / "zarrpyramid" / "__init__.py"
    mine = f'__version__ = "{zarrpyramid.__version__}"'
    text = init.read_text(encoding="utf-8")
    assert mine in text
    init.write_text(text.replace(mine, '__version__ = "0.0.9"'), encoding="utf-8")
    store = make(tmp_path / "image.zarr")
    before = tree(store)
    with (
        Elsewhere(tmp_path / "old", library) as address,
        pytest.raises(WorkerError, match=r"2 of 2 dask workers .* has zarrpyramid 0\.0\.9 of"),
    ):
        build_pyramid(store, dask_scheduler=address, progress=False, levels=2)
    assert tree(store).keys() == before.keys()


@pytest.mark.slow
def test_a_worker_without_the_library_is_refused(tmp_path):
    library = tmp_path / "library" / "zarrpyramid"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("raise ImportError('no such package')", encoding="utf-8")
    with (
        Elsewhere(tmp_path / "bare", library.parent) as address,
        pytest.raises(WorkerError, match=r"2 of 2 dask workers .*: no such package"),
    ):
        build_pyramid(
            make(tmp_path / "image.zarr"), dask_scheduler=address, progress=False, levels=2
        )


@pytest.mark.system
def test_workers_that_do_not_see_the_store_are_refused(tmp_path):
    """In a mount namespace of their own, where another file system hides the store's folder."""
    hidden = tmp_path / "data"
    hidden.mkdir()
    store = make(hidden / "image.zarr")
    before = tree(store)
    hide = f'mount -t tmpfs none "{hidden}" && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", hide, "sh")
    with (
        Elsewhere(tmp_path / "blind", prefix=prefix) as address,
        pytest.raises(WorkerError, match=rf"2 of 2 dask workers .*{store} on .* same file system"),
    ):
        build_pyramid(store, dask_scheduler=address, progress=False, levels=2)
    assert tree(store).keys() == before.keys()


@pytest.mark.slow
def test_workers_that_do_not_see_a_source_are_refused(tmp_path):
    """They would find no stored objects of it, and write fill value."""
    hidden = tmp_path / "data"
    hidden.mkdir()
    source, store = make(hidden / "image.zarr"), tmp_path / "own.zarr"
    hide = f'mount -t tmpfs none "{hidden}" && exec "$@"'
    keys = {"source": source, "crop": {"x": [0, 40]}, "progress": False, "levels": 1}
    with (
        Elsewhere(tmp_path / "blind", prefix=("unshare", "--mount", "sh", "-c", hide, "sh")) as to,
        pytest.raises(WorkerError, match=rf"2 of 2 dask workers .*{hidden}.* same file system"),
    ):
        build_pyramid(store, dask_scheduler=to, **keys)
    assert not (store / "0").exists()


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("zarrpyramid.downsample.cluster._PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    store = make(tmp_path / "image.zarr")
    before = tree(store)
    with pytest.raises(WorkerError, match=f"no dask scheduler answers at {address}") as raised:
        build_pyramid(store, dask_scheduler=address, progress=False, levels=2)
    assert "\n" not in str(raised.value)
    assert tree(store).keys() == before.keys()


@pytest.mark.parametrize("is_worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_is_no_scheduler_is_said_not_to_be_one(tmp_path, monkeypatch, is_worker):
    monkeypatch.setattr("zarrpyramid.downsample.cluster._PATIENCE", 1)
    store = make(tmp_path / "image.zarr")
    with contextlib.ExitStack() as stack:
        if is_worker:
            from distributed import LocalCluster

            cluster = stack.enter_context(
                LocalCluster(n_workers=1, processes=False, protocol="tcp", dashboard_address=None)
            )
            address = cluster.workers[0].address
        else:  # it takes connections and says nothing
            silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WorkerError, match=f"no dask scheduler answers at {address} ") as raised:
            build_pyramid(store, dask_scheduler=address, progress=False, levels=2)
    assert ("a worker does" in str(raised.value)) == is_worker
    assert "\n" not in str(raised.value)
    assert not (Path(store) / "1").exists()


def test_an_address_without_distributed_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match="the package distributed is not installed"):
        build_pyramid(
            make(tmp_path / "a.zarr"), dask_scheduler="tcp://a:1", progress=False, levels=2
        )


def test_what_is_no_address_is_refused(tmp_path):
    with pytest.raises(PyramidError, match="dask_scheduler: expected an address such as"):
        build_pyramid(
            make(tmp_path / "a.zarr"), dask_scheduler="localhost:8786", progress=False, levels=2
        )


def test_a_probe_is_found_where_it_was_laid_and_nowhere_else(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    with laid_probe(LocalStore(tmp_path / "here"), "") as probe:
        probe.check()
        _, key, word = probe.objects[0]
        late = Probe(objects=((LocalStore(tmp_path / "there"), key, word[::-1]),))
        with pytest.raises(StoreError, match="all workers must see the same file system"):
            late.check()
    assert not list((tmp_path / "here").iterdir())
