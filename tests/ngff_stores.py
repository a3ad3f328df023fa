"""Small stores of OME-NGFF documents: sound ones of each version, changed by a harm."""

from __future__ import annotations

import copy
import json

FORMATS = {"0.4": 2, "0.5": 3, "0.6": 3}

AXES = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]
CHANNEL = {
    "label": "DNA",
    "color": "00FF7f",
    "active": True,
    "window": {"min": 0, "max": 255, "start": 3, "end": 200.5},
}
IMAGE = {
    "multiscales": [
        {
            "name": "a",
            "type": "mean",
            "metadata": {},
            "axes": AXES,
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1, 2**level, 2**level]},
                        {"type": "translation", "translation": [0, level / 2, level / 2]},
                    ],
                }
                for level in (0, 1)
            ],
        }
    ],
    "omero": {"channels": [CHANNEL, CHANNEL]},
}
LABEL = {
    "multiscales": IMAGE["multiscales"],
    "image-label": {
        "colors": [{"label-value": 1, "rgba": [255, 0, 0, 128]}, {"label-value": 4}],
        "properties": [{"label-value": 1, "area": 3}, {"label-value": 4}],
        "source": {"image": "../../"},
    },
}
PLATE = {
    "plate": {
        "name": "p",
        "field_count": 2,
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "acquisitions": [
            {"id": 0, "name": "first", "maximumfieldcount": 1, "starttime": 1343731272000},
            {"id": 3, "name": "last", "maximumfieldcount": 1, "description": "late"},
        ],
        "wells": [{"path": "B/2", "rowIndex": 1, "columnIndex": 1}],
    }
}
WELL = {"well": {"images": [{"path": "0", "acquisition": 0}, {"path": "1", "acquisition": 3}]}}
KINDS = {"image": IMAGE, "label": LABEL, "plate": PLATE, "well": WELL}


def attributes_of(kind, version):
    """Return the attributes of a sound group."""
    found = copy.deepcopy(KINDS[kind])
    if version == "0.6" and "multiscales" in found:
        found["multiscales"] = [in_systems(each) for each in found["multiscales"]]
    if version != "0.4":
        return {"ome": {"version": version, **found}}
    for key in ("plate", "well", "image-label"):
        if key in found:
            found[key]["version"] = version
    for described in found.get("multiscales", ()):
        described["version"] = version
    return found


def in_systems(described):
    """Return a multiscales of 0.5 as 0.6 has it."""
    kept = {key: item for key, item in described.items() if key not in ("axes", "datasets")}
    datasets = [
        {
            "path": dataset["path"],
            "coordinateTransformations": [
                {
                    "type": "sequence",
                    "input": {"path": dataset["path"]},
                    "output": {"name": "physical"},
                    "transformations": dataset["coordinateTransformations"],
                }
            ],
        }
        for dataset in described["datasets"]
    ]
    systems = [{"name": "physical", "axes": described["axes"]}]
    return {**kept, "coordinateSystems": systems, "datasets": datasets}


def holder_of(attributes):
    return attributes.get("ome", attributes)


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def put_group(path, zarr_format, attributes=None):
    if zarr_format == 2:
        write(path / ".zgroup", {"zarr_format": 2})
        if attributes is not None:
            write(path / ".zattrs", attributes)
    else:
        node = {"zarr_format": 3, "node_type": "group", "attributes": attributes or {}}
        write(path / "zarr.json", node)


def put_array(path, zarr_format, shape, names, dtype="u1"):
    """Write an array of zeros in one raw chunk."""
    n_bytes = int(dtype[1])
    for extent in shape:
        n_bytes *= extent
    common = {"zarr_format": zarr_format, "shape": shape, "fill_value": 0}
    if zarr_format == 2:
        order = "|" if dtype == "u1" else "<"
        form = {"chunks": shape, "dtype": f"{order}{dtype}", "order": "C", "compressor": None}
        write(path / ".zarray", {**common, **form, "filters": None, "dimension_separator": "/"})
        key = "/".join("0" for _ in shape)
    else:
        form = {
            "node_type": "array",
            "data_type": {"u1": "uint8", "f4": "float32", "b1": "bool"}[dtype],
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
            "chunk_key_encoding": {"name": "default"},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "dimension_names": names,
        }
        write(path / "zarr.json", {**common, **form})
        key = "/".join(["c", *("0" for _ in shape)])
    chunk = path / key
    chunk.parent.mkdir(parents=True, exist_ok=True)
    chunk.write_bytes(bytes(n_bytes))


def put_image(path, zarr_format, attributes, dtype="u1"):
    """Write the group of an image, and arrays for the axes and paths that it lists.

    Beside that at 0 arrays are half as large; what is listed as gone is not there.
    """
    put_group(path, zarr_format, attributes)
    usual = IMAGE["multiscales"]
    for described in _mappings(holder_of(attributes).get("multiscales")) or usual:
        axes = described.get("axes", AXES)
        for system in _mappings(described.get("coordinateSystems"))[:1]:
            axes = system.get("axes", AXES)
        names = [axis.get("name") if isinstance(axis, dict) else axis for axis in axes or AXES]
        names = [name if isinstance(name, str) else None for name in names]
        types = [axis.get("type") if isinstance(axis, dict) else None for axis in axes or AXES]
        for dataset in _mappings(described.get("datasets")) or usual[0]["datasets"]:
            name = str(dataset.get("path", "1"))
            extent = 8 if name == "0" else 4
            is_space = [
                kind == "space" or (kind == "array" and number > 0)
                for number, kind in enumerate(types)
            ]
            shape = [extent if each else 2 for each in is_space]
            if name != "gone":
                put_array(path / name, zarr_format, shape, names, dtype)


def _mappings(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def make(path, kind, version, harm=lambda held, attributes: None, dtype="u1"):
    """Write a store whose group of a kind is sound but for a harm; return the group's path."""
    attributes, zarr_format = attributes_of(kind, version), FORMATS[version]
    harm(holder_of(attributes), attributes)
    if kind == "image":
        put_image(path, zarr_format, attributes)
        return path
    image = attributes_of("image", version)
    if kind == "label":
        put_image(path, zarr_format, image)
        listed = {"labels": ["cells"]}
        listed = listed if version == "0.4" else {"ome": {"version": version, **listed}}
        put_group(path / "labels", zarr_format, listed)
        put_image(path / "labels/cells", zarr_format, attributes, dtype)
        return path / "labels/cells"
    plate = attributes if kind == "plate" else attributes_of("plate", version)
    well = attributes if kind == "well" else attributes_of("well", version)
    put_group(path, zarr_format, plate)
    put_group(path / "B", zarr_format)
    put_group(path / "B/2", zarr_format, well)
    for listed in _mappings((holder_of(well).get("well") or {}).get("images")):
        put_image(path / "B/2" / str(listed.get("path", "0")), zarr_format, image)
    return path if kind == "plate" else path / "B/2"
