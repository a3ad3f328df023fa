"""Tables of images, and the words of a container: what is read, and what is refused."""

from __future__ import annotations

import re

import pytest

from zarrpyramid.config import container_config, image_configs
from zarrpyramid.errors import ConfigError


def read(tmp_path, text, name="samples.tsv", **keys):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return image_configs({"samples": str(tmp_path / name), **keys})


def test_a_row_an_image(tmp_path):
    text = (
        "# of two weeks\nsample\tstore\tfield\tlevels\tscale_factors\tomero\n"
        "a\t/a.zarr\traw\t2\t[1,2,2]\tfalse\n\nb\t/b.zarr\t\t\tNA\t\n"
    )
    one, two = read(tmp_path, text, levels=4)
    assert (one.name, one.store, one.field, one.levels) == ("a", "/a.zarr", "raw", 2)
    assert (one.scale_factors, one.omero) == ((1, 2, 2), False)
    assert (two.name, two.store, two.field, two.levels) == ("b", "/b.zarr", "", 4)
    assert (two.scale_factors, two.omero) == ("auto", True)


def test_commas_quotes_and_names_from_stores(tmp_path):
    text = 'store,voxel_size\n/data/a.zarr,"{""z"": 2, ""x"": 0.5}"\n/data/b.zarr\n'
    one, two = read(tmp_path, text, "table.CSV")
    assert (one.name, two.name) == ("a", "b")
    assert (one.voxel_size, two.voxel_size) == ({"z": 2.0, "x": 0.5}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tstorr\na\t/a\n", "unknown column 'storr'; did you mean 'store'?"),
        ("sample\tfield\na\traw\n", "row 2 (a): store is missing; give the path of"),
        ("sample\tstore\na\t/a\na\t/b\n", "rows 2 and 3 are both called a; give each its own"),
        ("store\tstore\n/a\t/b\n", "column 'store' appears twice"),
        ("store\n/a\t3\n", "row 2: 2 cells, expected at most 1"),
        ("store\tlevels\n/a\tmany\n", "row 2.levels: expected auto or an integer >= 1"),
        ("store,levels\n/a,2\n", "columns are not separated by tabs"),
        ("sample\tstore\n", "it lists no image"),
        ("", "is empty"),
        ("sample\tstore\na/b\t/a\n", "images.a/b: a name may hold letters"),
    ],
)
def test_a_table_that_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        read(tmp_path, text)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"samples: .*no.tsv cannot be read as a table: "):
        image_configs({"samples": str(tmp_path / "no.tsv")})


def test_a_container_takes_the_settings_of_all(tmp_path):
    found = container_config({"images": "auto", "container": "/p/plate.ome.zarr", "levels": "2"})
    assert (found.name, found.select) == ("plate", ("**",))
    assert (found.template.store, found.template.levels) == ("/p/plate.ome.zarr", 2)
    several = container_config({"container": "/p", "select": '["A/1", "B/*"]'})
    assert several.select == ("A/1", "B/*")
    assert container_config({"store": "/p"}) is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"container": "/p", "store": "/s"}, "container and store do not go together"),
        ({"container": "/p", "images": {"a": {"store": "/s"}}}, "container and images do not"),
        ({"container": "/p", "source": "/s"}, "container and source do not go together"),
        ({"images": "auto"}, "images: auto is about the images of a container; give container"),
        ({"store": "/s", "select": "A"}, "select is about the images of a container"),
        ({"store": "/s", "samples": "a.tsv"}, "samples and store both name images"),
        ({"images": "all", "container": "/p"}, "images: expected auto, or a mapping"),
    ],
)
def test_keys_that_do_not_go_together(config, message):
    with pytest.raises(ConfigError, match=message):
        container_config(config) or image_configs(config)
