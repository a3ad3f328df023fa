"""Print, as JSON, what ome-zarr-models finds in an image of 0.6. Has its own environment."""

import json
import sys

import zarr
from ome_zarr_models.v06.image import Image
from reading import described

group = zarr.open_group(sys.argv[1], mode="r")
(found,) = Image.from_zarr(group).ome_attributes.multiscales
axes = found.intrinsic_coordinate_system.axes
levels = []
for dataset in found.datasets:
    (step,) = dataset.coordinateTransformations
    inner = getattr(step, "transformations", [step])
    scale = dict(zip([axis.name for axis in axes], inner[0].scale, strict=True))
    moved = dict(zip(scale, inner[-1].translation, strict=True)) if len(inner) > 1 else None
    levels.append(described(group[dataset.path][...], scale, moved))
print(json.dumps({"levels": levels, "units": {axis.name: axis.unit for axis in axes}}))
