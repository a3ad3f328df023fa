"""Print, as JSON, what tensorstore finds in the arrays 0, 1, ... of groups: it knows no NGFF."""

import json
import sys
from pathlib import Path

import tensorstore
from reading import described

for group in map(Path, sys.argv[1:]):
    driver = "zarr3" if (group / "zarr.json").exists() else "zarr"
    levels = []
    while (place := group / str(len(levels))).exists():
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(place)}}
        levels.append(described(tensorstore.open(spec, open=True).result().read().result()))
    print(json.dumps(levels))
