"""Imaris files, in whose layout h5py writes: attributes letter by letter, padded datasets."""

import h5py
import numpy as np

CHUNKS = (4, 16, 16)


def letters(text):
    return np.array([letter.encode() for letter in str(text)], "S1")


def write_imaris(path, voxels, unit="um"):
    """Write voxels (t, c, z, y, x) as Imaris does: levels, padded to whole chunks, with a 0."""
    extents = voxels.shape[2:]
    padded = [-(-extent // edge) * edge for extent, edge in zip(extents, CHUNKS, strict=True)]
    with h5py.File(path, "w") as file:
        file.attrs["ImarisVersion"] = letters("5.5.0")
        for level in range(2):
            for t, c in np.ndindex(voxels.shape[:2]):
                name = f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}"
                group = file.create_group(name)
                data = np.zeros(padded, voxels.dtype)
                data[tuple(map(slice, extents))] = voxels[t, c]
                group.create_dataset("Data", data=data, chunks=CHUNKS, compression="gzip")
                for axis, extent in zip("ZYX", extents, strict=True):
                    group.attrs[f"ImageSize{axis}"] = letters(extent)
        image = file.create_group("DataSetInfo/Image").attrs
        for number, (axis, extent) in enumerate(zip("XYZ", extents[::-1], strict=True)):
            image[axis] = letters(extent)
            image[f"ExtMin{number}"] = letters("-5")
            image[f"ExtMax{number}"] = letters(-5 + extent * (0.25, 0.5, 2)[number])
        image["Unit"] = letters(unit)
        for c in range(voxels.shape[1]):
            group = file.create_group(f"DataSetInfo/Channel {c}")
            group.attrs["Name"] = letters(f"dye {c}")
    return path
