"""Print, as JSON, what napari-ome-zarr hands to napari of images, a line for each path.

It opens no window. napari places coarser levels by their shapes, from the scale of the first alone:
the reader takes no translation.
"""

import json
import sys

import numpy as np
from napari_ome_zarr._reader import napari_get_reader
from reading import described

for path in sys.argv[1:]:
    ((data, layer, kind),) = napari_get_reader(path)(path)
    assert kind == "image", kind
    first, *coarser = (np.asarray(voxels) for voxels in data)
    scale = dict(zip("zyx", layer["scale"], strict=True))
    print(json.dumps([described(first, scale), *map(described, coarser)]))
