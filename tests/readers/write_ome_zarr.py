"""Write an image of OME-NGFF 0.6 by ome-zarr to a path. Runs in an environment of its own."""

import sys
import warnings

import numpy as np
from ome_zarr.classes import OMEZarrImage, OMEZarrMultiscale

warnings.simplefilter("ignore")
voxels = np.random.default_rng(1).integers(0, 9000, (21, 34, 40)).astype("uint16")
sizes, units = {"z": 2.0, "y": 0.5, "x": 0.25}, dict.fromkeys("zyx", "micrometer")
image = OMEZarrImage(data=voxels, axes="zyx", scale=sizes, axes_units=units, name="cells")
OMEZarrMultiscale(image, scale_factors=[]).to_ome_zarr(sys.argv[1])
