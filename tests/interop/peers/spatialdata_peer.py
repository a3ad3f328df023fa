"""spatialdata: an image and labels beside points, shapes and a table."""

import warnings

import anndata
import geopandas
import numpy as np
import pandas
import spatialdata
from asking import SHAPE, answer, ids, voxels
from shapely.geometry import Point
from spatialdata.models import (
    Image3DModel,
    Labels3DModel,
    PointsModel,
    ShapesModel,
    TableModel,
)

warnings.simplefilter("ignore")
ELEMENTS = {"images": "raw", "labels": "cells", "points": "spots", "shapes": "circles"}


def write(path):
    image = Image3DModel.parse(voxels()[np.newaxis], dims=("c", "z", "y", "x"),
                               scale_factors=[2, 2])  # fmt: skip
    labels = Labels3DModel.parse(ids(), dims=("z", "y", "x"), scale_factors=[2, 2])
    spots = PointsModel.parse(np.random.default_rng(0).random((20, 3)) * SHAPE)
    circles = geopandas.GeoDataFrame({"geometry": [Point(3, 4), Point(5, 6)], "radius": [1.0, 2.0]})
    table = anndata.AnnData(
        np.ones((2, 3)),
        obs=pandas.DataFrame({"region": pandas.Categorical(["circles"] * 2), "instance": [0, 1]},
                             index=["a", "b"]),
    )  # fmt: skip
    spatialdata.SpatialData(
        images={"raw": image},
        labels={"cells": labels},
        points={"spots": spots},
        shapes={"circles": ShapesModel.parse(circles)},
        tables={"table": TableModel.parse(table, region="circles", region_key="region",
                                          instance_key="instance")},
    ).write(path)  # fmt: skip


def read(path, field):
    """Every element of the store is read."""
    found = spatialdata.read_zarr(path)
    for kind, name in ELEMENTS.items():
        assert name in getattr(found, kind), found
    assert len(found.points["spots"].compute()) == 20
    assert len(found.shapes["circles"]) == 2
    assert found.tables["table"].shape == (2, 3)
    kind, _, name = field.partition("/")
    element = getattr(found, kind)[name]
    return [np.asarray(next(iter(level.ds.data_vars.values()))) for level in element.values()]


if __name__ == "__main__":
    answer({"elements": write}, {"elements": read})
