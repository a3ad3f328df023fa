"""Print, as JSON, the layers that napari-ome-zarr makes of an image: kind, contrast and ids."""

import json
import sys

import numpy as np
from napari_ome_zarr._reader import napari_get_reader

layers = [
    {
        "kind": kind,
        "limits": layer.get("contrast_limits"),
        "ids": np.unique(np.asarray(data[-1])).tolist() if kind == "labels" else None,
    }
    for data, layer, kind in napari_get_reader(sys.argv[1])(sys.argv[1])
]
print(json.dumps(layers))
