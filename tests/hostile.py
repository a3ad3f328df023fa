"""Stores whose documents were harmed at random from a seed, as a stranger's may be.

Small ones, v2 and v3, of ours and of others, with one or two mutated documents each.
"""

from __future__ import annotations

import copy
import json
import random
import re
import shutil
from typing import NamedTuple

import numpy as np
import zarr

from zarrpyramid import build_pyramid

ODD = (
    *(None, True, False, 0, 1, -1, 2, 3, 5, 0.5, -0.0, 1e308, 2**31, 2**53, 2**63 - 1, 2**63),
    *(-(2**63), 10**30, 10**400, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        "0",
        "..",
        "../..",
        "/etc",
        "/",
        "a\x00b",
        "\x00",
        "\ud800",
        "é" * 300,
        "x" * 5000,
        "NaN",
    ),
    *("uint16", "<u2", "|O", "|V8", "object", "Infinity", "0x", "0xzz", "0x7fc00000", "-Infinity"),
    *("c/0", ".", "\\", "$(touch pwned)", "a\nb", "time", "space", "2", "0.5", "zstd", "blosc"),
    *([], {}, [[]], [{}], [None], [0], [1, 1, 1], [2**62] * 3, [-1, 8, 8], ["8", "8", "8"]),
    *([1e199] * 3, [1e-199] * 3, [5e-324, 1e199, 1.0], [1, 1], [2, 2, 2, 2], [9, 9, 2**40]),
    *([8, 8], [1.0, 1.0, 1.0], [0, 0, 0], {"name": None}, {"name": "regular"}, [1] * 2000),
    *({"id": "pickle"}, {"id": "zstd", "level": 10**9}, {"name": "sharding_indexed"}),
    *([{"id": "json2"}], {"": ""}, {"name": "r16"}, [float("nan")] * 3, [["z", "y", "x"]]),
)
"""What is put where something else belongs."""

DOORS = ("0/zarr.json", "0/.zarray", "0/.zattrs", ".zgroup", ".zattrs", "zarr.json")


class Case(NamedTuple):
    """A harmed store: where it is, and what was done to which documents."""

    path: object
    document: str
    harm: str


def make_templates(folder):
    """Make small pyramids whose documents have most of what documents may have."""
    random_voxels = np.random.default_rng(5).integers(0, 99, (12, 11, 9)).astype("uint16")
    kinds = {
        "v3": {"zarr_format": 3},
        "v3-shards": {"zarr_format": 3, "shards": (8, 8, 8), "fill_value": 3},
        "v2": {"zarr_format": 2},
        "v2-float": {"zarr_format": 2, "dtype": "float32", "fill_value": float("nan")},
        "v3-systems": {"zarr_format": 3},
    }
    for name, settings in kinds.items():
        zarr_format = settings.pop("zarr_format")
        group = zarr.open_group(folder / name, mode="w", zarr_format=zarr_format)
        voxels = random_voxels.astype(settings.pop("dtype", "uint16"))
        group.create_array("0", data=voxels, chunks=(4, 4, 4), **settings)
        if name == "v3-systems":
            group.attrs["ome"] = {"version": "0.6", "multiscales": [_systems()]}
        elif name == "v2-float":
            transform = {"axes": ["z", "y", "x"], "scale": [4, 2, 2], "units": ["nm"] * 3}
            group.attrs["multiscales"] = [{"datasets": [{"path": "0", "transform": transform}]}]
        build_pyramid(
            folder / name, progress=False, n_workers=1, unit={"x": "micrometer"}, levels=2
        )
        group = zarr.open_group(folder / name)
        described = {"channels": [{"window": {"start": 0, "end": 9}, "color": "ff0000"}]}
        if zarr_format == 3:
            group.attrs["ome"] = {**group.attrs["ome"], "omero": described}
        else:
            group.attrs["omero"] = described
    for name in ("v3", "v2", "v2-float", "v3-systems"):
        shutil.copytree(folder / name, folder / f"{name}-of-others")
        _disown(folder / f"{name}-of-others")
    return sorted(path for path in folder.iterdir() if path.name.startswith("v"))


def _systems():
    """Return a multiscales of 0.6 whose first coordinate system counts voxels."""
    counted = [{"name": name, "type": "array"} for name in "zyx"]
    axes = [{"name": name, "type": "space", "unit": "meter"} for name in "zyx"]
    step = {"type": "sequence", "input": {"path": "0"}, "output": {"name": "voxels"}}
    parts = [
        {"type": "scale", "scale": [1, 1, 1]},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    onward = {"type": "scale", "scale": [2, 0.5, 0.5], "output": {"name": "world"}}
    return {
        "coordinateSystems": [
            {"name": "voxels", "axes": counted},
            {"name": "world", "axes": axes},
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{**step, "transformations": parts}]}
        ],
        "coordinateTransformations": [{**onward, "input": {"name": "voxels"}}],
    }


def _disown(path):
    """Take our records out of a pyramid, so that it is one of somebody else's."""
    for place in [*path.glob("*/zarr.json"), *path.glob("*/.zattrs")]:
        document = json.loads(place.read_bytes())
        document.get("attributes", document).pop("zarrpyramid", None)
        place.write_text(json.dumps(document), encoding="utf-8")


def harmed_stores(templates, folder, seeds):
    """Yield a copy of a template with one document harmed, or two, for each seed."""
    for seed in seeds:
        draw = random.Random(seed)
        template = draw.choice(templates)
        documents = [
            path
            for path in sorted(template.rglob("*"))
            if path.name in ("zarr.json", ".zarray", ".zattrs", ".zgroup")
        ]
        # Level 0 and the group decide most.
        likely = [path for path in documents if path.parent.name in (template.name, "0")]
        place = folder / f"{seed}.zarr"
        shutil.copytree(template, place)
        names, harms = [], []
        for _ in range(draw.choice((1, 1, 1, 2))):
            document = draw.choice(likely if draw.random() < 0.7 else documents)
            text, harm = harmed(document.read_bytes(), draw)
            (place / document.relative_to(template)).write_bytes(text)
            names.append(str(document.relative_to(template)))
            harms.append(harm)
        yield Case(place, ", ".join(names), "; then ".join(harms))
        shutil.rmtree(place)


def harmed(data, draw):
    """Return the bytes of a document after one to three harms, and what was done."""
    if draw.random() < 0.12:
        return _broken_text(data, draw)
    document, done = json.loads(data), []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        document, what = _changed(document, draw)
        done.append(what)
    # Nested in the text, which Python's own JSON cannot write so deep.
    text = re.sub(
        r'"@(\d+)@"', lambda at: "[" * int(at[1]) + "1" + "]" * int(at[1]), json.dumps(document)
    )
    if draw.random() < 0.05 and text.startswith('{"'):
        text = text.replace("{", '{"shape": [-1], "shape": "x", "attributes": 5, ', 1)
        done.append("duplicate keys")
    return text.encode("utf-8", "surrogatepass"), "; ".join(done)


def _broken_text(data, draw):
    kind = draw.randrange(8)
    if kind == 0:
        return data[: draw.randrange(len(data))], "truncated"
    if kind == 1:
        return b"", "empty"
    if kind == 2:
        return b"[" * 100_000, "deep lists, open"
    if kind == 3:
        return b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "deep mappings"
    if kind == 4:
        place = draw.randrange(len(data))
        return data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :], "one byte"
    if kind == 5:
        return b"\xef\xbb\xbf" + data, "byte order mark"
    if kind == 6:
        return data.decode().encode("utf-16"), "UTF-16"
    return b"\x00" * len(data), "zeros"


def _changed(document, draw):
    """Return a document with one value harmed; every place in it is as likely."""
    places = list(_places(document, ()))
    if not places:
        return {"attributes": 5}, "nothing was left"
    place = draw.choice(places)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    key, kind = place[-1], draw.randrange(10)
    found, where = holder[key], "/".join(map(str, place))
    if kind < 5:
        holder[key] = copy.deepcopy(draw.choice(ODD))
        return document, f"{where} = {str(holder[key])[:40]!r}"
    if kind == 5:
        del holder[key]
        return document, f"no {where}"
    if kind == 6:
        depth = draw.choice((1, 50, 450, 900, 980))
        holder[key] = f"@{depth}@"
        return document, f"{where} nested in {depth} lists"
    if kind == 7:
        holder[key] = [found] * draw.choice((2, 6, 400))
        return document, f"{where} repeated"
    if kind == 8:
        holder[key] = _other_type(found)
        return document, f"{where} in another type"
    if isinstance(found, list) and found:
        holder[key] = found + found[:1] if draw.random() < 0.5 else found[:-1]
        return document, f"{where} of another length"
    holder[key] = draw.choice((10**9, -3, "9" * 400, 7.5))
    return document, f"{where} = {str(holder[key])[:40]!r}"


def _other_type(found):
    if isinstance(found, str):
        return list(found)
    if isinstance(found, list):
        return str(found) if found else {}
    if isinstance(found, dict):
        return list(found.items())
    return str(found)


def _places(value, at):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*at, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*at, key))
