"""ngio: images with labels and tables, and plates."""

from functools import partial

import ngio
from asking import SCALE, answer, ids, voxels

PLACED = {"pixelsize": SCALE[1], "z_spacing": SCALE[0], "axes_names": list("zyx")}


def write_image(path, version):
    made = ngio.create_ome_zarr_from_array(
        path, voxels(), levels=3, chunks=(16, 16, 16), ngff_version=version, **PLACED
    )
    label = made.derive_label("cells")
    label.set_array(ids())
    label.consolidate()
    made.add_table("fields", made.build_image_roi_table("whole"))


def read_image(path, field):
    """Image, labels and tables of the whole store are read."""
    container = ngio.open_ome_zarr_container(path)
    assert container.list_labels() == ["cells"]
    assert container.list_tables() == ["fields"]
    assert len(container.get_table("fields").rois()) == 1
    assert container.get_label("cells").get_array().max() == ids().max()
    if field:
        paths = range(
            container.levels if not field else len(container.get_label("cells").meta.paths)
        )
        return [container.get_label("cells", path=str(level)).get_array() for level in paths]
    return [container.get_image(path=name).get_array() for name in container.level_paths]


def write_plate(path, version):
    images = [ngio.ImageInWellPath(row="A", column=f"0{n}", path="0") for n in (1, 2)]
    plate = ngio.create_empty_plate(path, "plate", images, ngff_version=version)
    for n in ("01", "02"):
        store = plate.get_image_store(row="A", column=n, image_path="0")
        ngio.create_ome_zarr_from_array(
            store, voxels(), levels=3, chunks=(16, 16, 16), ngff_version=version,
            overwrite=True, **PLACED,
        )  # fmt: skip


def read_plate(path, field):
    plate = ngio.open_ome_zarr_plate(path)
    images = plate.get_images()
    assert len(images) == 2, images
    container = ngio.open_ome_zarr_container(f"{path}/{field}")
    return [container.get_image(path=name).get_array() for name in container.level_paths]


def read_any(path, field):
    container = ngio.open_ome_zarr_container(f"{path}/{field}".rstrip("/"))
    return [container.get_image(path=name).get_array() for name in container.level_paths]


WRITE, READ = {}, {"image": read_any}
for version in ("0.4", "0.5"):
    WRITE[f"labels {version}"] = partial(write_image, version=version)
    WRITE[f"plate {version}"] = partial(write_plate, version=version)
    READ[f"labels {version}"], READ[f"plate {version}"] = read_image, read_plate

if __name__ == "__main__":
    answer(WRITE, READ)
