"""Print, as JSON, what ngff-zarr finds in the image at a path. Runs in its own environment."""

import json
import sys

import ngff_zarr
from reading import described

images = ngff_zarr.from_ngff_zarr(sys.argv[1], validate=True).images
print(
    json.dumps(
        [described(image.data.compute(), image.scale, image.translation) for image in images]
    )
)
