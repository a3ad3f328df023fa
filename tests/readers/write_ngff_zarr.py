"""Write an image of OME-NGFF 0.6 by ngff-zarr to a path. Runs in an environment of its own."""

import sys

import ngff_zarr
import numpy as np

voxels = np.random.default_rng(1).integers(0, 9000, (21, 34, 40)).astype("uint16")
image = ngff_zarr.to_ngff_image(
    voxels,
    dims=("z", "y", "x"),
    scale={"z": 2.0, "y": 0.5, "x": 0.25},
    translation={"z": 0.0, "y": 100.0, "x": -7.0},
    axes_units=dict.fromkeys("zyx", "micrometer"),
)
scales = ngff_zarr.to_multiscales(image, scale_factors=[])
ngff_zarr.to_ome_zarr(sys.argv[1], scales, version="0.6")
