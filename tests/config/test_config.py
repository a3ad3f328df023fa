"""The configuration: the same verdicts as jsonschema, one clear line for what does not fit."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from zarrpyramid import build_pyramid
from zarrpyramid.config import (
    check_config,
    image_config,
    image_configs,
    restore,
    short_name,
    to_settings,
)
from zarrpyramid.config.declare import Setting
from zarrpyramid.config.forms import MappingOf, Text
from zarrpyramid.config.schema import json_schema
from zarrpyramid.errors import ConfigError, nearest, suggestion
from zarrpyramid.reduce import METHODS

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
JUDGE = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def keys_of(schema, where=""):
    for key, node in schema.get("properties", {}).items():
        node = SCHEMA["$defs"][key] if "$ref" in node else node
        yield f"{where}{key}", node
        yield from keys_of(node, f"{where}{key}.")
        others = node.get("additionalProperties")
        if isinstance(others, dict):
            yield from keys_of(others, f"{where}{key}.*.")


KEYS = dict(keys_of(SCHEMA))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described(key):
    node = KEYS[key]
    assert node["description"].endswith(".")
    assert node["expected"]
    above, _, name = key.rpartition(".")
    required = name == "store" or name in KEYS.get(above, {}).get("required", ())
    assert required or name in ("test_image", "base") or "default" in node


@pytest.mark.parametrize("key", [key for key, node in KEYS.items() if "default" in node])
def test_every_default_fits_its_own_key(key):
    jsonschema.validate(KEYS[key]["default"], KEYS[key])


def test_defaults_of_the_function_are_those_of_the_schema():
    parameters = inspect.signature(build_pyramid).parameters
    schema = SCHEMA["$defs"]
    # The function makes levels alone, in one process: no level 0, no reports, no parts.
    assert set(schema) - set(parameters) == {
        *("test_image", "base", "base_ready", "label_report", "parts", "part_size"),
    }
    for key, node in schema.items():
        if key in parameters and key != "store":
            assert parameters[key].default == node["default"], key
            assert f"\n{key}\n    {node['description'].split()[0]} " in inspect.getdoc(
                build_pyramid
            )


def test_an_unknown_keyword_of_the_function(tmp_path):
    with pytest.raises(TypeError, match="argument 'metod'; did you mean 'method'"):
        build_pyramid(tmp_path, metod="mean")


@pytest.mark.parametrize("dtype", ["u4", "u2"])
def test_a_numpy_dtype_is_no_text(tmp_path, dtype):
    with pytest.raises(ConfigError, match=r"dtype: expected same, or .*, found dtype"):
        build_pyramid(tmp_path, dtype=np.dtype(dtype), method="sum")


def test_the_shipped_file_fits():
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    JUDGE.validate(shipped)
    assert check_config(shipped) == shipped
    (image,) = image_configs(shipped)
    assert (image.name, image.field, image.test_image.dtype) == ("demo", "blobs", "uint16")
    top = {key: value for key, value in shipped.items() if key != "demo"}
    assert top == {key: KEYS[key]["default"] for key in top}


def verdict(config):
    """Return what a configuration becomes, or None where it is refused."""
    try:
        return check_config(config)
    except ConfigError:
        return None


def agree(config):
    """Hold a verdict against jsonschema's, after what check_config does to types."""
    fitted = verdict(config)
    if JUDGE.is_valid(config):
        assert fitted == config
    if fitted is not None:
        JUDGE.validate(fitted)
    return fitted is not None


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({}, True),
        ({"store": "a", "field": ""}, True),
        ({"store": ""}, False),  # an empty path
        ({"store": True}, False),  # a boolean is no string
        ({"store": ["a"]}, False),
        ({"levels": "auto"}, True),
        ({"levels": 3}, True),
        ({"levels": 0}, False),
        ({"levels": -1}, False),
        ({"levels": "many"}, False),
        ({"levels": True}, False),  # a boolean is no integer
        ({"levels": 1.5}, False),
        ({"axes": ["z", "y"]}, True),
        ({"axes": []}, False),
        ({"axes": ["z", ""]}, False),
        ({"axes": list("abcdef")}, False),  # six
        ({"scale_factors": 2}, True),
        ({"scale_factors": 0}, False),
        ({"scale_factors": -2}, False),
        ({"scale_factors": 2.5}, False),
        ({"scale_factors": [1, 2]}, True),
        ({"scale_factors": [1, 0]}, False),
        ({"scale_factors": []}, False),
        ({"scale_factors": {"y": 2}}, True),
        ({"scale_factors": {"y": 0}}, False),
        ({"scale_factors": {}}, True),
        ({"scale_factors": "isotropic"}, True),
        ({"scale_factors": "isotropy"}, False),
        ({"scale_factors": [[1, 2], {"y": 2}, 2]}, True),  # one a level
        ({"scale_factors": [[1, 2]] * 9}, True),
        ({"scale_factors": [[1, 0]]}, False),
        ({"scale_factors": [[[1]]]}, False),
        ({"scale_factors": [[]]}, False),
        ({"scale_factors": ["isotropic"]}, False),  # for all levels or for none
        ({"method": "mean"}, True),
        ({"method": "medium"}, False),
        ({"chunks": "same"}, True),
        ({"chunks": [4, 4]}, True),
        ({"chunks": [4, 0]}, False),
        ({"chunks": 4}, False),
        ({"shards": "none"}, True),
        ({"shards": [4, 4]}, True),
        ({"shards": 4}, False),
        ({"compressor": "zstd"}, True),
        ({"compressor": "zstd:22"}, True),
        ({"compressor": "zstd:-7"}, True),
        ({"compressor": "zstd:23"}, False),
        ({"compressor": "zstd:"}, False),
        ({"compressor": "auto"}, True),
        ({"compressor": "gzip:9"}, True),
        ({"compressor": "gzip:10"}, False),
        ({"compressor": "blosc-zstd:1"}, True),
        ({"compressor": "blosc-lz4hc:9:bitshuffle"}, True),
        ({"compressor": "blosc-lz4:noshuffle"}, True),
        ({"compressor": "blosc-lz4:bitshuffle:1"}, False),
        ({"compressor": "blosc-lz4:10"}, False),
        ({"compressor": "blosc-snappy"}, False),
        ({"compressor": "lz4"}, False),
        ({"checksum": True}, True),
        ({"checksum": "crc32c"}, False),
        ({"write_empty_chunks": False}, True),
        ({"write_empty_chunks": 1}, False),
        ({"voxel_size": {"x": 0.5}}, True),
        ({"voxel_size": {"x": 1}}, True),
        ({"voxel_size": {"x": 0}}, False),
        ({"voxel_size": {"x": -0.5}}, False),
        ({"voxel_size": 0.5}, False),
        ({"unit": {"x": "micrometer"}}, True),
        ({"unit": {"x": ""}}, False),
        ({"images": {"a": {"store": "b", "levels": 2}}}, True),
        ({"images": {"a": {}}}, False),  # without a store
        ({"images": {"a": {"store": "b", "demo": {}}}}, False),
        ({"images": ["a"]}, False),
        ({"demo": {"store": "a", "shape": [4], "chunks": [2], "dtype": "bool"}}, True),
        ({"demo": {"dtype": "complex64"}}, False),
        ({"demo": {"seed": -1}}, False),
        ({"demo": {"shape": [0]}}, False),
        ({"demo": {"shape": [1] * 6}}, False),
        ({"images": {"a": {"store": "b", "test_image": {"pattern": "noise"}}}}, True),
        ({"metod": "mean"}, False),
    ],
    ids=str,
)
def test_verdicts(config, fits):
    assert agree(config) is fits


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-1, 3),
    st.sampled_from(["auto", "same", "mean", "", "a", "uint16"]),
    # An integral float is an integer to JSON schema, and none to us; see below.
    st.floats(-2, 2).filter(lambda number: not number.is_integer()),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from([*KEYS, "x", "other"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TOP = st.sampled_from([key for key in KEYS if "." not in key] + ["other"])


@given(st.dictionaries(TOP, VALUES, max_size=3))
@example({"scale_factors": {"x": 1, "y": [1]}})
@example({"levels": "2"})
def test_verdicts_are_those_of_jsonschema(config):
    agree(config)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "levels": st.just("auto") | st.integers(-1, 4),
            "axes": st.just("auto") | st.lists(st.sampled_from(["z", "y", ""]), max_size=6),
            "scale_factors": st.integers(-1, 3)
            | st.lists(st.integers(0, 2), max_size=6)
            | st.lists(st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=6), max_size=7)
            | st.dictionaries(st.sampled_from("zyx"), st.integers(0, 2)),
            "compressor": st.sampled_from(["zstd", "gzip:1", "none"])
            | st.integers(-10, 30).map("zstd:{}".format),
            "chunks": st.sampled_from(["same", "auto"]) | st.lists(st.integers(0, 2), max_size=6),
            "voxel_size": st.dictionaries(st.sampled_from("zyx"), st.sampled_from([0, 1, 0.5])),
            "unit": st.dictionaries(st.sampled_from("zyx"), st.sampled_from(["", "um"])),
            "edit_base": st.booleans() | st.integers(0, 1),
        },
    )
)
def test_verdicts_near_the_truth(config):
    agree(config)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"field": 1}, {"field": "1"}),  # --config field=1
        ({"store": 2.5}, {"store": "2.5"}),
        ({"levels": "3"}, {"levels": 3}),
        ({"scale_factors": "[2,1]"}, {"scale_factors": [2, 1]}),
        ({"scale_factors": "[[1,2], 2]"}, {"scale_factors": [[1, 2], 2]}),
        ({"scale_factors": ["[1,2]", 2]}, {"scale_factors": [[1, 2], 2]}),
        ({"shards": "[4,4]"}, {"shards": [4, 4]}),
        ({"scale_factors": '{"y": 2}'}, {"scale_factors": {"y": 2}}),
        ({"scale_factors": ["2", 1]}, {"scale_factors": [2, 1]}),
        ({"axes": '["y", "x"]'}, {"axes": ["y", "x"]}),
        ({"write_empty_chunks": "False"}, {"write_empty_chunks": False}),
        ({"voxel_size": {"x": "0.5"}}, {"voxel_size": {"x": 0.5}}),
        ({"chunks": (4, 4)}, {"chunks": [4, 4]}),
        ({"images": {488: {"store": "a"}}}, {"images": {"488": {"store": "a"}}}),
        ({"levels": None, "store": "a"}, {"store": "a"}),  # a key without a value
    ],
)
def test_types_of_the_command_line(given, expected):
    assert check_config(given) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"metod": 1}, "unknown key 'metod'; did you mean 'method'?"),
        ({"scale_factor": 2}, "unknown key 'scale_factor'; did you mean 'scale_factors'?"),
        (
            {"images": {"a": {"store": "b", "feild": "c"}}},
            "unknown key 'images.a.feild'; did you mean 'field'?",
        ),
        ({"demo": {"sed": 1}}, "unknown key 'demo.sed'; did you mean 'seed'?"),
        (
            {"levels": "atuo"},
            "levels: expected auto or an integer >= 1, found 'atuo'; did you mean 'auto'?",
        ),
        ({"levels": 2.0}, "levels: expected auto or an integer >= 1, found 2.0"),
        (
            {"scale_factors": [2, 2.0]},
            "scale_factors: expected auto, isotropic, an integer >= 1, a list of them (one for "
            "each axis), a mapping of axis names to them, or a list of lists and mappings (one for "
            "each level), found [2, 2.0]",
        ),
        (
            {"method": "mena"},
            f"method: expected auto, {', '.join([*METHODS][:-1])} or {[*METHODS][-1]}, "
            "found 'mena'; did you mean 'mean'?",
        ),
        (
            {"demo": {"dtype": "uint17"}},
            "demo.dtype: expected bool, or an integer or float type such as uint16, "
            "found 'uint17'; did you mean 'uint16'?",
        ),
        (
            {"voxel_size": {"x": float("inf")}},
            "voxel_size.x: expected a number > 0, found inf",
        ),
        (
            {"images": {"a": {"levels": 1}}},
            "images.a: store is missing; expected a mapping of settings, with at least store",
        ),
    ],
)
def test_messages(config, message):
    with pytest.raises(ConfigError) as error:
        check_config(config)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{key}: {{y: 1,5, x: 1,5}}", rf"{key}\.5: expected a.*, found no value; a decimal number")
        for key in ("voxel_size", "scale_factors", "unit")
    ]
    + [
        ("images: {a: {voxel_size: {y: 1,5}}}", r"images\.a\.voxel_size\.5: expected"),
        ("voxel_size: {y: 1, x: }", "voxel_size.x: expected a number > 0, found None"),
        ("scale_factors: {y: 2, x: }", "scale_factors.x: expected an integer >= 1, found None"),
        ("unit: {q: }", "unit.q: expected .*, found None"),
    ],
)
def test_an_entry_without_a_value(text, message):
    config = yaml.safe_load(text)
    if "images" in config:
        config["images"]["a"]["store"] = "a.zarr"
    with pytest.raises(ConfigError, match=message):
        check_config(config)


def test_a_setting_that_does_not_say_what_it_expects():
    assert Setting(Text(), "Any text.").schema["expected"] == "a text"
    with pytest.raises(TypeError, match="MappingOf must say its meaning and what is expected"):
        Setting(MappingOf(Text()), "Texts by name.")
    with pytest.raises(TypeError, match="Text must say its meaning"):
        Setting(Text(), "")


def test_an_unknown_key_far_from_all_shows_what_is_known():
    with pytest.raises(
        ConfigError,
        match=r"unknown key 'qqqq'; known are also, axes, base, base_path, base_ready, ",
    ):
        check_config({"qqqq": 1})
    assert suggestion("word", []) == ""


NEAR = [
    ("metod", "method"),
    ("maen", "mean"),
    ("Rwa", "raw"),
    ("RAW", "raw"),
    ("isotropc", "isotropic"),
    ("voxel-size", "voxel_size"),
    ("voxelsizes", "voxel_size"),
    ("compresor", "compressor"),
    ("raw1", "raw"),
    ("Z", "z"),
]
FAR = [
    ("source", "store"),
    ("label", "levels"),
    ("scale", "store"),
    ("chunk_size", "chunks"),
    ("pattern", "parts"),
    ("x", "y"),
    ("zx", "zy"),
    ("a", ""),
    ("mask", "raw"),
    ("gone.zarr", "bare.zarr"),
]


@pytest.mark.parametrize(("word", "known"), NEAR)
def test_a_near_word_is_named(word, known):
    assert nearest(word, ["something else", known]) == f"; did you mean {known!r}?"


@pytest.mark.parametrize(("word", "known"), FAR)
def test_a_far_word_is_not_taken_for_a_slip(word, known):
    assert nearest(word, [known]) == ""


@pytest.mark.parametrize(
    ("store", "field", "expected"),
    [
        ("/data/brain.zarr", "raw", "brain-raw"),
        ("/data/brain.ome.zarr", "", "brain"),  # both suffixes
        ("/data/brain.zr", "", "brain"),
        ("/data/brain", "raw/488", "brain-raw-488"),
        ("/data/my brain (2).zarr", "a b", "my-brain-2-a-b"),
        ("/data/.zarr", "", "zarr"),  # nothing but a suffix
        ("/data/v1.2.zarr", "c_1", "v1.2-c_1"),
        ("/", "", "image"),
        ("/data/\N{GREEK SMALL LETTER MU}.zarr", "", "image"),
    ],
)
def test_short_names(store, field, expected):
    assert short_name(store, field) == expected


def test_short_names_that_collide_take_digits_of_the_path(tmp_path):
    owner = tmp_path / "brain-raw" / "image.json"
    owner.parent.mkdir()
    owner.write_text(json.dumps({"store": "/a/brain.zarr", "field": "raw"}))
    assert short_name("/a/brain.zarr", "raw", tmp_path) == "brain-raw"
    names = {short_name(f"/{folder}/brain.zarr", "raw", tmp_path) for folder in "bc"}
    assert len(names) == 2
    assert all(name.startswith("brain-raw-") and len(name) == 16 for name in names)
    (name,) = {image_configs({"store": "/b/brain.zarr", "field": "raw"}, tmp_path)[0].name}
    assert name in names


@pytest.mark.parametrize(
    "name", ["a b", "../a", "-a", "", ".", "a/b", "\N{LATIN SMALL LETTER E WITH ACUTE}"]
)
def test_image_names_that_are_no_folder(name):
    with pytest.raises(ConfigError, match="a name may hold letters, digits"):
        image_configs({"images": {name: {"store": "a"}}})


@pytest.mark.parametrize("field", ["/raw", "../raw", "raw/../..", "./raw", "raw\\488"])
def test_fields_that_leave_the_store(field):
    with pytest.raises(ConfigError, match="must be a path inside the store"):
        image_configs({"store": "a", "field": field})


def test_fields_are_tidied():
    (image,) = image_configs({"store": "a", "field": "raw//488/"})
    assert image.field == "raw/488"


def test_an_image_overrides_what_stands_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {
        "levels": 2,
        "scale_factors": [1, 2],
        "demo": {"store": "demo"},
        "images": {
            "one": {"store": "a.zarr"},
            "two": {"store": "/b.zarr", "field": "raw", "levels": 3, "axes": ["y", "x"]},
        },
    }
    one, two = image_configs(config)
    assert (one.name, one.store, one.field) == ("one", str(tmp_path / "a.zarr"), "")
    assert (one.levels, one.scale_factors, one.axes) == (2, (1, 2), None)
    assert (two.store, two.field, two.levels, two.axes) == ("/b.zarr", "raw", 3, ("y", "x"))


def test_the_short_form_wins_over_images_and_demo():
    config = {"store": "/c.zarr", "images": {"one": {"store": "a"}}, "demo": {"store": "demo"}}
    (image,) = image_configs(config)
    assert (image.name, image.test_image) == ("c", None)


def test_a_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert image_configs({"store": "~/a.zarr"})[0].store == "/home/somebody/a.zarr"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "no image is named"),
        ({"images": {}}, "no image is named"),
        ({"demo": {"store": "b"}, "field": "raw"}, "field 'raw' is given without a store"),
        ({"demo": {"store": "b"}, "field": ""}, "field '' is given without a store"),
        (
            {"images": {"a": {"store": "/s"}, "b": {"store": "/s/"}}},
            "images.b and images.a are the same group /s; keep one of them",
        ),
        ({"store": "a", "axes": ["x", "x"]}, r"axes \['x', 'x'\] name an axis twice"),
        (
            {"demo": {"store": "a", "shape": [4, 4], "chunks": [2]}},
            r"test image of shape \[4, 4\] has chunks \[2\]",
        ),
        ({"demo": {"field": "a"}}, "demo: store is missing"),
    ],
)
def test_settings_that_contradict_each_other(config, message):
    with pytest.raises(ConfigError, match=message):
        image_configs(config)


@pytest.mark.parametrize(
    "given",
    [
        {"store": "/a"},
        {"store": "/a", "scale_factors": [1, 2], "axes": ["y", "x"], "chunks": [3, 3]},
        {"store": "/a", "scale_factors": [[1, 2], {"y": 2}, 3], "shards": [8, 8]},
        {"store": "/a", "scale_factors": "isotropic", "compressor": "gzip", "checksum": True},
        {"store": "/a", "scale_factors": {"y": 2}, "voxel_size": {"y": 2}, "unit": {"y": "m"}},
        {"store": "/a", "test_image": {"shape": [4, 4], "chunks": [2, 2]}},
        {"store": "/a", "base": {"shape": [4, 4], "chunks": [2, 2], "dtype": "int8"}},
        {"store": "/a", "source": "/b.tif", "crop": {"x": [0, 2]}, "edit_base": False},
        {"store": "s3://a/b", "storage_options": {"region": "here"}, "axes": ["y", "x"]},
    ],
)
def test_a_record_comes_back_from_what_jobs_are_handed(given):
    image = image_config("name", given)
    handed = to_settings(image)
    assert restore(json.loads(json.dumps(handed))) == image
    assert restore(handed) == image
    assert "method" not in handed  # defaults are left out


def test_defaults_of_a_test_image():
    image = image_config("name", {"store": "/a", "test_image": {"dtype": "bool"}})
    made = image.test_image
    assert (made.shape, made.chunks) == ((256,) * 3, (64,) * 3)
    assert (made.dtype, made.pattern, made.seed) == ("bool", "blobs", 0)


def test_a_field_at_the_top_is_that_of_images_without_one():
    images = image_configs(
        {"images": {"a": {"store": "a"}, "b": {"store": "b", "field": "own"}}, "field": "raw"}
    )
    assert [image.field for image in images] == ["raw", "own"]


@pytest.mark.parametrize("end", ["0" * 20, "0" * 40, "ab" * 20, "-" + "x" * 20, "x" * 300])
def test_a_name_that_snakemake_or_a_disk_would_refuse_gets_digits(end):
    from snakemake.io import PeriodicityDetector

    name = short_name("/a/s.zarr", f"scan_{end}")
    assert re.fullmatch(rf"s-scan_{end}".ljust(200)[:200].strip() + r"-[0-9a-f]{6}", name)
    assert PeriodicityDetector().is_periodic(name) is None  # by Snakemake's own rule
    assert name != short_name("/a/s.zarr", f"scan_{end}{end}")  # two fields have two names
    with pytest.raises(ConfigError, match=r"20 times the same; rename the image"):
        image_configs({"images": {f"scan_{end}": {"store": "/a/s.zarr"}}})
    assert short_name("/a/s.zarr", "scan_" + "0" * 19) == "s-scan_" + "0" * 19
