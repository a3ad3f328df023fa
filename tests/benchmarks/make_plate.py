"""Write a plate of OME-NGFF 0.5 whose fields have a level 0 and nothing else.

Documents and chunks are written without zarr, in a tenth of its time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np

ROWS = "ABCDEFGHIJKLMNOP"


def make_plate(
    path: Path, n_rows: int = 16, n_columns: int = 24, n_fields: int = 9, edge: int = 512
) -> None:
    """Write a plate with fields of 2 channels of `edge` x `edge` voxels of uint16."""
    rows, columns = ROWS[:n_rows], [f"{number:02d}" for number in range(1, n_columns + 1)]
    wells = [
        {"path": f"{row}/{column}", "rowIndex": y, "columnIndex": x}
        for y, row in enumerate(rows)
        for x, column in enumerate(columns)
    ]
    names = {key: [{"name": name} for name in found]
             for key, found in (("rows", rows), ("columns", columns))}  # fmt: skip
    plate = {**names, "wells": wells, "field_count": n_fields, "name": path.stem}
    _write_group(path, {"version": "0.5", "plate": plate})
    for row in rows:
        _write_group(path / row, {})
    random, codec = np.random.default_rng(0), numcodecs.Zstd(level=0)
    grid = np.mgrid[:edge, :edge] / edge
    noise = random.integers(0, 30, (8, edge, edge))
    images = [{"path": str(field)} for field in range(n_fields)]
    for number, well in enumerate(wells):
        group = path / str(well["path"])
        _write_group(group, {"version": "0.5", "well": {"images": images}})
        bright = 200 + 3000 * (number % n_columns) / n_columns
        for field in range(n_fields):
            _write_group(group / str(field), _multiscales(f"{well['path']}/{field}"))
            _write_array(group / str(field) / "0", (2, edge, edge))
            for channel in range(2):
                wave = 1 + np.sin(9 * grid[channel] + field)
                voxels = (bright * wave + noise[(number + field + channel) % 8]).astype("<u2")
                chunk = group / str(field) / "0" / "c" / str(channel) / "0" / "0"
                chunk.parent.mkdir(parents=True)
                chunk.write_bytes(codec.encode(voxels))


def _multiscales(name: str) -> dict[str, Any]:
    axes = [
        {"name": "c", "type": "channel"},
        *({"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"),
    ]
    dataset = {
        "path": "0",
        "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.65, 0.65]}],
    }
    return {"version": "0.5", "multiscales": [{"name": name, "axes": axes, "datasets": [dataset]}]}


def _write_group(path: Path, ome: dict[str, Any]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome} if ome else {}}
    (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


def _write_array(path: Path, shape: tuple[int, ...]) -> None:
    path.mkdir()
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *shape[1:]]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "dimension_names": ["c", "y", "x"],
        "attributes": {},
    }
    (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--fields", type=int, default=9)
    parser.add_argument("--edge", type=int, default=512)
    given = parser.parse_args()
    make_plate(given.path, given.rows, given.columns, given.fields, given.edge)
