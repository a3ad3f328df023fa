"""A folder of TIFF slices to a pyramid by zarrify, whose command line takes four axes alone."""

import sys

from zarrify.to_zarr import initialize_dask_client, to_zarr

if __name__ == "__main__":  # workers import this file
    client = initialize_dask_client("local", None, None)
    to_zarr(
        src=sys.argv[1],
        dest=sys.argv[2],
        client=client,
        workers=int(sys.argv[3]),
        zarr_chunks=[64, 64, 64],
        axes=["z", "y", "x"],
        scale=[1.0] * 3,
        translation=[0.0] * 3,
        units=["nanometer"] * 3,
        optimize_reads=True,
        multiscale=True,
        data_origin="raw",
    )
