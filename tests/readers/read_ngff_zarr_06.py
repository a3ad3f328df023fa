"""Print, as JSON, what ngff-zarr finds in an image of 0.6. Runs in an environment of its own."""

import json
import sys

import ngff_zarr
from reading import described

images = ngff_zarr.from_ome_zarr(sys.argv[1], validate=True).images
levels = [described(each.data.compute(), each.scale, each.translation) for each in images]
print(json.dumps({"levels": levels, "units": images[0].axes_units}))
