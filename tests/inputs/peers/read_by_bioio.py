"""Writes files by other packages, and reads them through bioio; ends with the first difference.

Runs in an environment of its own: `python read_by_bioio.py FOLDER`.
"""

import pickle
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from pylibCZIrw import czi

from zarrpyramid.downsample.workers import forked
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.inputs import arrange, open_input
from zarrpyramid.inputs.bioio_file import open_bioio
from zarrpyramid.inputs.image_input import Place

VOXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 5, 60, 80)).astype("u2")  # t, c, z, y, x


def write_czi(path, voxels=VOXELS):
    path.unlink(missing_ok=True)
    with czi.create_czi(str(path)) as file:
        for t, c, z in np.ndindex(voxels.shape[:3]):
            file.write(data=voxels[t, c, z][..., None], plane={"T": t, "C": c, "Z": z})
        names = {0: "DAPI", 1: "GFP", 2: "RFP"}
        file.write_metadata(
            "a", channel_names=names, scale_x=0.1e-6, scale_y=0.2e-6, scale_z=0.5e-6
        )
    return path


def refusal(act):
    """Return the line by which something is refused, "" where it is not."""
    try:
        act()
    except (ConfigError, StoreError) as error:
        return str(error)
    return ""


def whole(image):
    return tuple(slice(0, extent) for extent in image.form.shape)


def check_czi(folder):
    image = pickle.loads(pickle.dumps(open_input(str(write_czi(folder / "a.czi")))))
    form = image.form
    assert (form.shape, form.dtype, form.axes) == (VOXELS.shape, "uint16", tuple("tczyx")), form
    assert form.blocks == (1, 1, 1, 60, 80), form
    assert form.voxel_size == {"z": 0.5, "y": 0.2, "x": 0.1}, form
    assert form.unit == dict.fromkeys("zyx", "micrometer"), form
    assert form.channels == ("DAPI", "GFP", "RFP"), form
    np.testing.assert_array_equal(image.read(whole(image)), VOXELS)
    region = (slice(1, 2), slice(0, 2), slice(2, 5), slice(7, 9), slice(0, 80))
    found = []
    threads = [threading.Thread(target=lambda: found.append(image.read(region))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with forked(2) as pool:
        found += [pool.submit(image.read, region).result(100) for _ in range(2)]
    assert len(found) == 5
    for voxels in found:
        np.testing.assert_array_equal(voxels, VOXELS[region])
    picked = arrange(image, channel="GFP")
    np.testing.assert_array_equal(picked.read(whole(picked)), VOXELS[:, 1])
    write_czi(folder / "b.czi", VOXELS[:1])
    (folder / "a.czi").write_bytes((folder / "b.czi").read_bytes())
    assert "has changed since it was opened" in refusal(lambda: image.read(whole(image)))
    (folder / "a.czi").write_bytes((folder / "b.czi").read_bytes()[:9000])
    truncated = refusal(lambda: (cut := open_input(f"{folder}/a.czi")).read(whole(cut)))
    assert "copy or write the file again" in truncated or "damaged" in truncated, truncated


def check_scenes(folder):
    path = folder / "s.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for number in range(2):
            file.write(
                VOXELS[0, :, 0] + number, metadata={"axes": "CYX", "Name": f"field {number}"}
            )
    place = Place(path=str(path))
    listed = refusal(lambda: open_bioio(place))
    assert "s.ome.tif has 2 scenes: 0 'Image:0' [1, 3, 1, 60, 80] uint16, 1 'Im" in listed, listed
    assert listed.endswith("; give series: N"), listed
    for series in (1, "Image:1"):
        image = open_bioio(replace(place, series=series))
        np.testing.assert_array_equal(image.read(whole(image))[0, :, 0], VOXELS[0, :, 0] + 1)
        assert image.name.endswith("s.ome.tif (scene Image:1)"), image.name
    absent = refusal(lambda: open_bioio(replace(place, series="Image:2")))
    assert absent.endswith("give one of them by number or name"), absent
    assert "bioio reads no path" in refusal(lambda: open_bioio(replace(place, inside="a")))


def check_others(folder):
    """A format without a reader here, of colours; and files that no reader takes."""
    colours = np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype("u1")
    Image.fromarray(colours).save(folder / "a.png")
    image = open_input(f"{folder}/a.png")
    assert image.form.axes[-3:] == ("y", "x", "c"), image.form
    np.testing.assert_array_equal(image.read(whole(image)).reshape(colours.shape), colours)
    assert image.form.voxel_size == {}, image.form
    assert image.form.channels == ("red", "green", "blue"), image.form
    (folder / "a.oib").write_bytes(b"none")
    assert "take the one for such files: install bioio and bioio-NAME" in refusal(
        lambda: open_input(f"{folder}/a.oib")
    )
    (folder / "a.nd2").write_bytes(b"\xda\xce\xbe\n none")
    assert "a.nd2" in refusal(lambda: open_input(f"{folder}/a.nd2"))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # those of other packages
    check_czi(Path(sys.argv[1]))
    check_scenes(Path(sys.argv[1]))
    check_others(Path(sys.argv[1]))
