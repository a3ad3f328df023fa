"""What a reader sees while levels are built, rebuilt and removed: whole levels only."""

from __future__ import annotations

import itertools
import json
import subprocess
import time

import numpy as np
import pytest
import zarr

from oracles import mean_by_hand


class Reader:
    """Looks at a group again and again; remembers what it saw, and what it should never see."""

    def __init__(self, folder, zarr_format):
        self.folder, self.zarr_format = folder, zarr_format
        self.group_document = folder / ("zarr.json" if zarr_format == 3 else ".zattrs")
        self.array_document = "zarr.json" if zarr_format == 3 else ".zarray"
        self.opened, self.lists, self.faults = set(), [], []

    def look(self):
        for level in range(1, 5):
            self._look_at_level(self.folder / str(level))
        self._look_at_list()

    def _look_at_level(self, level):
        # Only what was there before and after can be held against what was found between.
        before = state(level / self.array_document)
        if before is None:
            return
        try:
            array = zarr.open_array(level, mode="r", zarr_format=self.zarr_format)
        except FileNotFoundError:
            array = None
        keys = [] if array is None else [level / key for key in object_keys(array)]
        missing = [key for key in keys if not key.exists()]
        if state(level / self.array_document) == before:
            self.opened.add(level.name)
            if array is None or missing:
                self.faults.append((level.name, len(missing), "missing of", len(keys)))

    def _look_at_list(self):
        before = state(self.group_document)
        try:
            attributes = json.loads(self.group_document.read_bytes())
        except FileNotFoundError:
            return
        if self.zarr_format == 3:
            attributes = attributes["attributes"].get("ome", {})
        listed = attributes.get("multiscales", [{}])[0].get("datasets", [])
        paths = [dataset["path"] for dataset in listed]
        absent = [path for path in paths if not (self.folder / path / self.array_document).exists()]
        if state(self.group_document) == before:
            if not self.lists or self.lists[-1] != paths:
                self.lists.append(paths)
            if absent:
                self.faults.append((absent, "listed in", paths))


def state(path):
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def object_keys(array):
    grid = [range(-(-n // c)) for n, c in zip(array.shape, array.chunks, strict=True)]
    encode = array.metadata.encode_chunk_key
    return [encode(index) for index in itertools.product(*grid)]


@pytest.mark.slow
def test_readers_find_whole_levels_only(workspace):
    voxels, readers, images = {}, [], {}
    for name, zarr_format in (("v2", 2), ("v3", 3)):
        voxels[name] = workspace.make(
            f"{name}.zarr", (13, 15, 12), chunks=(2, 2, 2), zarr_format=zarr_format
        )
        readers.append(Reader(workspace / f"{name}.zarr", zarr_format))
        images[name] = {"store": f"{name}.zarr"}
    for factor in (2, 3):
        process = subprocess.Popen(
            workspace.command(images=json.dumps(images), levels=2, scale_factors=factor),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=workspace.environment,
        )
        while process.poll() is None:
            for reader in readers:
                reader.look()
            time.sleep(0.002)  # leave the cores to the run
        assert process.returncode == 0
        for reader in readers:
            reader.look()
    for name, reader in zip(images, readers, strict=True):
        assert reader.faults == []
        assert reader.opened == {"1", "2"}
        # Level 1 of another recipe takes all coarser levels out of the list before it changes.
        assert reader.lists == [[], ["0", "1", "2"], ["0"], ["0", "1", "2"]]
        finer = voxels[name]
        for level in ("1", "2"):
            finer = mean_by_hand(finer, (3, 3, 3))
            np.testing.assert_array_equal(workspace.voxels(f"{name}.zarr/{level}"), finer)
