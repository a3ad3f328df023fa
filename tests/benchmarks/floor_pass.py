"""One pass of the floor: read, decode, reduce, encode and write, and nothing else.

Run by `floor.py` as a process of its own. Neither digests nor statistics nor checks, no file is
written aside and renamed; what is left is what no engine of this codec and kernel can do without.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import blosc, zstd

from zarrpyramid.reduce.mean import reduce_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Index = tuple[int, ...]

blosc.use_threads = False

_NOTHING = nullcontext()

STAGES = ("read", "decode", "reduce", "encode", "write")


@dataclass
class Clock:
    """CPU seconds of each stage, in one thread; `timed` False leaves the clocks out."""

    timed: bool
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.thread_time()
        yield
        self.seconds[stage] += time.thread_time() - start


@dataclass(frozen=True)
class Codec:
    """How a chunk is decoded into a buffer, and encoded from one; None where it is its memory."""

    decode: Callable[[bytes, Any], object] | None
    encode: Callable[[Any], bytes] | None


def codec_of(codecs: list[dict[str, Any]]) -> Codec:
    """Return the codec of a v3 array, of those that `make_image` writes."""
    names = [codec["name"] for codec in codecs]
    if names == ["bytes"]:
        return Codec(None, None)
    settings = codecs[1]["configuration"]
    if names == ["bytes", "zstd"]:
        level = settings["level"]
        return Codec(zstd.decompress, lambda voxels: bytes(zstd.compress(voxels, level, False)))
    if names == ["bytes", "blosc"]:
        shuffle = ("noshuffle", "shuffle", "bitshuffle").index(settings["shuffle"])
        name, level = settings["cname"].encode(), settings["clevel"]
        size = settings["typesize"]
        return Codec(
            blosc.decompress,
            lambda voxels: bytes(blosc.compress(voxels, name, level, shuffle, 0, size)),
        )
    raise SystemExit(f"no floor for codecs {names}")


class Floor:
    """The loop over the levels of the image in a group's folder."""

    def __init__(self, group: Path) -> None:
        metadata = json.loads((group / "0" / "zarr.json").read_text(encoding="utf-8"))
        self._folders = [group / "0"]
        self._out = group / "floor"
        self._grid = int(metadata["shape"][0])
        self._chunk = int(metadata["chunk_grid"]["configuration"]["chunk_shape"][0])
        self._dtype = np.dtype(metadata["data_type"])
        self._codec = codec_of(metadata["codecs"])
        self._buffers = threading.local()

    def build(self, levels: int, threads: int, *, timed: bool) -> dict[str, float]:
        """Make levels; return the seconds of each stage, zeros if not `timed`."""
        shutil.rmtree(self._out, ignore_errors=True)
        clock = Clock(timed)
        self._folders = self._folders[:1]
        for level in range(1, levels + 1):
            n_chunks = self._grid // 2**level // self._chunk
            folder = self._out / str(level)
            for z, y in itertools.product(range(n_chunks), repeat=2):
                (folder / "c" / str(z) / str(y)).mkdir(parents=True)
            self._folders.append(folder)
            places = list(itertools.product(range(n_chunks), repeat=3))

            def make(place: Index, level: int = level) -> None:
                self._make(level, place, clock)

            if threads == 1:
                for place in places:
                    make(place)
            else:
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(make, places))
        return clock.seconds

    def put_aside(self) -> None:
        """Move what was made out of the way; removed inodes would slow down the next run."""
        self._out.rename(self._out.with_name(f"{self._out.name}-{time.time_ns()}"))

    def _make(self, level: int, place: Index, clock: Clock) -> None:
        own = self._buffers
        if not hasattr(own, "chunk"):
            own.chunk = np.empty((self._chunk,) * 3, self._dtype)
            own.block = np.empty((self._chunk,) * 3, self._dtype)
        half = self._chunk // 2
        steps: Any = clock if clock.timed else _untimed
        for corner in itertools.product((0, 1), repeat=3):
            index = tuple(2 * at + step for at, step in zip(place, corner, strict=True))
            path = self._path(level - 1, index)
            means = own.block[tuple(slice(step * half, (step + 1) * half) for step in corner)]
            with steps("read"):
                data = _read(path, own.chunk if self._codec.decode is None else None)
            if self._codec.decode is not None:
                with steps("decode"):
                    self._codec.decode(data, own.chunk)
            with steps("reduce"):
                reduce_mean(own.chunk, (2, 2, 2), means, compiled=True)
        data = own.block
        if self._codec.encode is not None:
            with steps("encode"):
                data = self._codec.encode(own.block)
        with steps("write"):
            _write(self._path(level, place), data)

    def _path(self, level: int, index: Index) -> str:
        return f"{self._folders[level]}/c/{'/'.join(map(str, index))}"


def _untimed(stage: str) -> nullcontext[None]:
    return _NOTHING


def _read(path: str, out: Any) -> Any:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if out is not None:
            return os.readv(descriptor, [out.reshape(-1).view(np.uint8)])
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _write(path: str, data: Any) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def main() -> None:
    """Run a pass on all threads, then one on a single thread with a clock on every stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", type=Path)
    parser.add_argument("--warm-up", type=Path, required=True)
    parser.add_argument("--levels", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    tiny = Floor(given.warm_up)
    tiny.build(1, given.threads, timed=True)
    tiny.put_aside()
    floor = Floor(given.group)
    wall, cpu = time.perf_counter(), time.process_time()
    floor.build(given.levels, given.threads, timed=False)
    report: dict[str, Any] = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "stages": floor.build(given.levels, 1, timed=True),
    }
    floor.put_aside()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
