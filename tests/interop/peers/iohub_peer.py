"""iohub: plates of positions."""

from functools import partial

import numpy as np
from asking import SCALE, answer, voxels
from iohub import open_ome_zarr
from iohub.ngff import TransformationMeta


def write(path, version):
    with open_ome_zarr(
        path, layout="hcs", mode="w", channel_names=["DAPI"], version=version,
        disable_path_checking=True,
    ) as plate:  # fmt: skip
        for column in ("1", "2"):
            position = plate.create_position("A", column, "0")
            scale = TransformationMeta(type="scale", scale=[1.0, 1.0, *SCALE])
            full = voxels()[np.newaxis, np.newaxis]
            position.create_image("0", full, chunks=(1, 1, 16, 16, 16), transform=[scale])
            position.compute_pyramid(levels=3)


def read(path, field):
    """All positions of the plate are opened."""
    with open_ome_zarr(path, mode="r") as plate:
        names = [name for name, _ in plate.positions()]
        assert field in names, names
        position = plate[field]
        return [np.asarray(array) for _, array in sorted(position.images())]


def read_image(path, field):
    with open_ome_zarr(f"{path}/{field}".rstrip("/"), mode="r") as position:
        return [np.asarray(array) for _, array in sorted(position.images())]


if __name__ == "__main__":
    answer(
        {f"plate {version}": partial(write, version=version) for version in ("0.4", "0.5")},
        {"plate 0.4": read, "plate 0.5": read, "image": read_image},
    )
