"""Print, as JSON, what ome-zarr finds in images, a line for each path. Has its own environment."""

import json
import sys

from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from reading import described

for path in sys.argv[1:]:
    node = next(iter(Reader(parse_url(path))()))
    names = [axis["name"] for axis in node.metadata["axes"]]
    levels = []
    for data, steps in zip(node.data, node.metadata["coordinateTransformations"], strict=True):
        found = {step["type"]: dict(zip(names, step[step["type"]], strict=True)) for step in steps}
        levels.append(described(data.compute(), found["scale"], found.get("translation")))
    print(json.dumps(levels))
