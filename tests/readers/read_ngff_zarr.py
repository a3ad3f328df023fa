"""Print, as JSON, what ngff-zarr finds in images, a line for each path. Has its own environment."""

import json
import sys

import ngff_zarr
from reading import described

for path in sys.argv[1:]:
    images = ngff_zarr.from_ngff_zarr(path, validate=True).images
    levels = [described(image.data.compute(), image.scale, image.translation) for image in images]
    print(json.dumps(levels))
