"""Print, as JSON, what ome-zarr's classes find in an image of 0.6. Has its own environment."""

import json
import sys
import warnings

from ome_zarr.classes import OMEZarrMultiscale
from reading import described

warnings.simplefilter("ignore")
found = OMEZarrMultiscale.from_ome_zarr(sys.argv[1])
levels = []
for image, dataset in zip(found.images, found.metadata.datasets, strict=True):
    (step,) = dataset.coordinateTransformations
    moved = getattr(step, "transformations", [step])[-1]
    at = dict(zip(image.axes, getattr(moved, "translation", ()), strict=False))
    levels.append(described(image.data.compute(), image.scale, at or None))
print(json.dumps({"levels": levels, "units": found.images[0].axes_units}))
