"""xarray: datasets of v2 and v3, and trees of them."""

from functools import partial

import numpy as np
import xarray
from asking import answer, voxels


def dataset():
    times = voxels()[:4]  # the first axis is time
    return xarray.Dataset(
        {"0": (("time", "y", "x"), times)},
        coords={"time": np.arange(4.0), "y": np.arange(times.shape[1])},
        attrs={"title": "a measurement"},
    )


def write(path, zarr_format):
    dataset().to_zarr(path, zarr_format=zarr_format, encoding={"0": {"chunks": (1, 16, 16)}})


def write_tree(path, zarr_format):
    tree = xarray.DataTree.from_dict({"/": xarray.Dataset(attrs={"title": "all"}),
                                      "/raw": dataset(), "/beside": dataset()})  # fmt: skip
    tree.to_zarr(path, zarr_format=zarr_format)


def read(path, field):
    """Level 0 is a variable of xarray's; the levels beside it have shapes of their own."""
    import zarr

    group = zarr.open_group(f"{path}/{field}".rstrip("/"), mode="r")
    names = sorted(name for name, _ in group.arrays() if name.isdigit())
    found = xarray.open_zarr(path, group=field or None, consolidated=False,
                             drop_variables=names[1:])  # fmt: skip
    assert found.attrs["title"]
    return [found["0"].values, *(group[name][...] for name in names[1:])]


def read_tree(path, field):
    import zarr

    group = zarr.open_group(f"{path}/{field}", mode="r")
    names = sorted(name for name, _ in group.arrays() if name.isdigit())
    tree = xarray.open_datatree(path, engine="zarr", consolidated=False, drop_variables=names[1:])
    assert set(tree.children) == {"raw", "beside"}
    return [tree[field]["0"].values, *(group[name][...] for name in names[1:])]


def read_levels(path, field):
    """Levels in groups of their own, as of ngff-zarr, are a tree of one dataset a level."""
    import zarr

    tree = xarray.open_datatree(f"{path}/{field}".rstrip("/"), engine="zarr", consolidated=False)
    attributes = zarr.open_group(path, path=field, mode="r").attrs
    listed = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    return [tree[item["path"].partition("/")[0]]["image"].values for item in listed]


WRITE, READ = {}, {"image": read_levels}
for number in (2, 3):
    WRITE[f"dataset v{number}"] = partial(write, zarr_format=number)
    WRITE[f"tree v{number}"] = partial(write_tree, zarr_format=number)
    READ[f"dataset v{number}"], READ[f"tree v{number}"] = read, read_tree

if __name__ == "__main__":
    answer(WRITE, READ)
