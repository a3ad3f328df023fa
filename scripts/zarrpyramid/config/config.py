"""The configuration: checked against its schema, defaults filled in, one record an image.

The schema file is the only place of types and defaults. It is interpreted here, for the few JSON
schema words that it uses, because jsonschema costs 0.15 CPU s at every parse of the Snakefile and
its messages name neither the nearest key nor the way out; a test holds both to the same verdicts.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from zarrpyramid.errors import ConfigError, nearest, suggestion
from zarrpyramid.stores import check_options, check_url, is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.geometry import Shape

    Factors = int | Shape | dict[str, int]
    Schema = dict[str, Any]

_SHIPPED = Path(__file__).parents[1] / "config.schema.yaml"
_CLONED = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TestImage:
    """A level 0 that is made: extents in voxels, name of the dtype, pattern and seed."""

    __test__ = False  # a name that pytest would collect

    shape: Shape
    chunks: Shape
    dtype: str
    pattern: str
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredBase:
    """A level 0 that others make: extents in voxels, dtype; shards None where it has none."""

    shape: Shape
    chunks: Shape
    shards: Shape | None
    dtype: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """All settings of one image; keys and meanings as in the schema.

    Attributes
    ----------
    name
        Unique in a run; names its folder of results.
    store
        Absolute path of the zarr store, or its URL.
    source
        Absolute path or URL of the group or array that level 0 is taken from; None where it is
        there.
    levels, axes, dtype, chunks, parts, part_size
        None stands for ``auto`` and ``same``.
    """

    name: str
    store: str
    field: str
    source: str | None
    link_base: bool
    overwrite: bool
    test_image: TestImage | None
    base: DeclaredBase | None
    base_ready: str
    levels: int | None
    axes: tuple[str, ...] | None
    scale_factors: Factors | tuple[Factors, ...] | str
    method: str
    dtype: str | None
    chunks: Shape | None
    shards: Shape | str
    compressor: str
    checksum: bool
    write_empty_chunks: bool
    voxel_size: dict[str, float]
    unit: dict[str, str]
    edit_base: bool
    durability: str
    label_report: bool
    dask_scheduler: str | None
    parts: int | None
    part_size: int | None
    base_watch: str
    force_space: bool
    missing_chunks: str
    follow_links: bool
    storage_options: dict[str, str | int | float | bool]
    source_options: dict[str, str | int | float | bool]


@functools.cache
def load_schema() -> Schema:
    """Return the schema, with every ``$ref`` replaced by what it points to."""
    path = _SHIPPED if _SHIPPED.exists() else _CLONED
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    schema: Schema = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target: Any = schema
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return resolve(target)
        return {key: resolve(value) for key, value in node.items()}

    resolved: Schema = resolve(schema)
    return resolved


def read_config(path: Path) -> dict[str, Any]:
    """Return what a configuration file says, unchecked.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no mapping.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read as a configuration: {reason}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a mapping of keys such as store, found {found!r}")
    return found


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration in the schema's types, without defaults.

    Values that the command line turned into numbers become strings again where a string is meant,
    and texts such as ``[2,1]`` become the lists or numbers that they spell. A key without a value
    counts as not given.

    Raises
    ------
    ConfigError
        If a key is unknown (the nearest known one is named) or a value does not fit.
    """
    checked: dict[str, Any] = _fit(dict(config), load_schema(), "")
    return checked


def image_configs(config: Mapping[str, Any], results: Path | None = None) -> list[ImageConfig]:
    """Return the images of a run in the order of the configuration.

    Parameters
    ----------
    config
        As Snakemake merged it from files and command line.
    results
        Folder of results; where another image has taken the short form's name there, a few hex
        digits of the absolute path are added to it.

    Raises
    ------
    ConfigError
        If the configuration does not fit its schema, or two images are the same group.
    """
    checked = check_config(config)
    given: Any = config.get("images")
    for name, own in given.items() if isinstance(given, dict) else ():
        if own is None:
            msg = f"images.{name} is empty; give it a store, such as {name}: {{store: PATH}}"
            raise ConfigError(msg)
    images, store, field = (checked.pop(key, None) for key in ("images", "store", "field"))
    demo = checked.pop("demo", {})
    checked.pop("pathvars", None)  # Snakemake's own
    if checked.get("source") and store is None and not images:
        msg = f"source {checked['source']!r} is given without a store; add --config store=PATH"
        raise ConfigError(msg)
    if store is not None:
        field = field or ""
        own = image_config(short_name(store, field), {**checked, "store": store, "field": field})
        configs = [replace(own, name=short_name(own.store, own.field, results))]
    elif images:
        shared = checked if field is None else {"field": field, **checked}
        configs = [
            image_config(_checked_name(name), {**shared, **own}) for name, own in images.items()
        ]
    elif demo:
        made = {key: demo.pop(key) for key in ("store", "field") if key in demo}
        if "store" not in made:
            raise ConfigError("demo: store is missing; add the path where it shall be made")
        configs = [image_config("demo", {**checked, **made, "test_image": demo})]
    else:
        msg = "no image is named; give --config store=PATH field=NAME, or images: in a config file"
        raise ConfigError(msg)
    if field is not None and store is None and not images:
        msg = f"field {field!r} is given without a store; add --config store=PATH"
        raise ConfigError(msg)
    groups: dict[str, str] = {}
    for image in configs:
        group = group_path(image.store, image.field)
        group = group if is_url(group) else os.path.realpath(group)
        other = groups.setdefault(group, image.name)
        if other != image.name:
            msg = (
                f"images.{image.name} and images.{other} are the same group "
                f"{group_path(image.store, image.field)}; keep one of them"
            )
            raise ConfigError(msg)
    return configs


def options_for(path: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `storage_options` that a configuration has for the image at a path or URL.

    Those of the image that stands there, else those of all.

    Raises
    ------
    ConfigError
        If the configuration does not fit its schema.
    """
    checked = check_config(config)
    for own in checked.get("images", {}).values():
        field = own.get("field", checked.get("field", ""))
        if group_path(own["store"], field) == path.rstrip("/") and "storage_options" in own:
            return dict(own["storage_options"])
    return dict(checked.get("storage_options", {}))


def restore(settings: dict[str, Any]) -> ImageConfig:
    """Return the record of an image from what `dataclasses.asdict` made of it."""
    made, base = settings["test_image"], settings["base"]
    given = {
        "test_image": None if made is None else TestImage(**made),
        "base": None if base is None else DeclaredBase(**base),
    }
    return ImageConfig(**{**settings, **given})


def group_path(store: str, field: str) -> str:
    """Return the path of an image's group, for messages."""
    return f"{store}/{field}" if field else store


def short_name(store: str, field: str, results: Path | None = None) -> str:
    """Name an image after its store's stem and its field.

    >>> short_name("/data/brain.zarr", "raw/488")
    'brain-raw-488'
    """
    path = store.rstrip("/") if is_url(store) else str(Path(store).absolute())
    stem = Path(path).name
    stem = re.sub(r"(\.ome)?\.(zarr|zr)$", "", stem) or stem
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", f"{stem}/{field}").strip("-.") or "image"
    if results is not None:
        try:
            known = json.loads((results / name / "image.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return name
        if (known.get("store"), known.get("field")) != (path, field):
            digits = hashlib.sha256(group_path(path, field).encode()).hexdigest()[:6]
            return f"{name}-{digits}"
    return name


def _checked_name(name: object) -> str:
    text = str(name)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        msg = f"images.{text}: a name may hold letters, digits, '_', '-' and '.'; rename the image"
        raise ConfigError(msg)
    return text


def image_config(name: str, given: dict[str, Any], *, is_read: bool = False) -> ImageConfig:
    """Return one image's record: checked settings, with the defaults of those that are absent.

    Parameters
    ----------
    is_read
        Whether the image's store is only looked at, and may be on a web server.

    Raises
    ------
    ConfigError
        If settings contradict each other.
    """
    properties = load_schema()["properties"]["images"]["additionalProperties"]["properties"]
    values = {key: given.get(key, known.get("default")) for key, known in properties.items()}
    made = given.get("test_image")
    if made is not None:
        known = properties["test_image"]["properties"]
        filled = {key: made.get(key, known[key]["default"]) for key in known}
        filled["shape"], filled["chunks"] = tuple(filled["shape"]), tuple(filled["chunks"])
        if len(filled["shape"]) != len(filled["chunks"]):
            msg = (
                f"image {name}: test image of shape {list(filled['shape'])} has chunks "
                f"{list(filled['chunks'])}; give one number an axis to both"
            )
            raise ConfigError(msg)
        made = TestImage(**filled)
    base = None if given.get("base") is None else _declared_base(name, given["base"])
    axes, chunks, levels = values["axes"], values["chunks"], values["levels"]
    if axes != "auto" and len(set(axes)) != len(axes):
        msg = f"image {name}: axes {list(axes)} name an axis twice; give each its own name"
        raise ConfigError(msg)
    for key in ("store", "field", "source"):
        if "\0" in values[key]:
            raise ConfigError(f"image {name}: {key} {values[key]!r} holds a NUL, as no path does")
    store = _place(name, "store", values["store"], values["storage_options"], is_read=is_read)
    source = values["source"]
    if source:
        source = _place(name, "source", source, values["source_options"], is_read=True)
    if values["link_base"] and (is_url(store) or is_url(source)):
        key, url = ("store", store) if is_url(store) else ("source", source)
        msg = f"image {name}: link_base needs a local {key}, {url} has no links; leave it out"
        raise ConfigError(msg)
    if made is not None and values["source"]:
        msg = f"image {name}: source and test_image both say what level 0 is; keep one of them"
        raise ConfigError(msg)
    if (base or values["base_ready"]) and (made is not None or values["source"]):
        kind = "source" if values["source"] else "test_image"
        msg = (
            f"image {name}: {kind} says where level 0 comes from, base and base_ready that others "
            "make it; keep one of them"
        )
        raise ConfigError(msg)
    if values["link_base"] and not values["source"]:
        msg = f"image {name}: link_base has nothing to link to; give source: PATH, or leave it out"
        raise ConfigError(msg)
    return ImageConfig(
        name=name,
        store=store,
        field=_checked_field(values["field"], name),
        source=source or None,
        link_base=values["link_base"],
        overwrite=values["overwrite"],
        test_image=made,
        base=base,
        base_ready=values["base_ready"],
        levels=None if levels == "auto" else levels,
        axes=None if axes == "auto" else tuple(axes),
        scale_factors=_frozen(values["scale_factors"]),
        method=values["method"],
        dtype=None if values["dtype"] == "same" else values["dtype"],
        chunks=None if chunks == "same" else tuple(chunks),
        shards=_frozen(values["shards"]),
        compressor=values["compressor"],
        checksum=values["checksum"],
        write_empty_chunks=values["write_empty_chunks"],
        voxel_size={key: float(size) for key, size in values["voxel_size"].items()},
        unit=dict(values["unit"]),
        # Through a link it would be the original that is edited.
        edit_base=values["edit_base"] and not values["link_base"],
        label_report=values["label_report"],
        durability=values["durability"],
        dask_scheduler=values["dask_scheduler"] or None,
        parts=None if values["parts"] == "auto" else values["parts"],
        part_size=None if values["part_size"] == "auto" else values["part_size"],
        base_watch=values["base_watch"],
        force_space=values["force_space"],
        missing_chunks=values["missing_chunks"],
        follow_links=values["follow_links"],
        storage_options=dict(values["storage_options"]),
        source_options=dict(values["source_options"]),
    )


def _place(name: str, key: str, place: str, options: Mapping[str, Any], *, is_read: bool) -> str:
    """Return a store or a source as it is kept: its absolute path, or its URL."""
    where = f"image {name}: {'storage' if key == 'store' else key}_options"
    if not is_url(place):
        check_options(options, where)
        return _absolute(place)
    url = check_url(place, f"image {name}: {key}", is_read=is_read)
    check_options(options, where, url.partition("://")[0])
    return url


def _declared_base(name: str, given: dict[str, Any]) -> DeclaredBase:
    shards = given.get("shards", "none")
    extents = {"chunks": given["chunks"], **({} if shards == "none" else {"shards": shards})}
    for key, values in extents.items():
        if len(values) != len(given["shape"]):
            msg = (
                f"image {name}: base of shape {given['shape']} has {key} {values}; give one number "
                "an axis to both"
            )
            raise ConfigError(msg)
    if shards != "none" and any(
        outer % inner for outer, inner in zip(shards, given["chunks"], strict=True)
    ):
        msg = (
            f"image {name}: base has chunks {given['chunks']}, which do not divide its shards "
            f"{shards}; give those of the array that will be there"
        )
        raise ConfigError(msg)
    return DeclaredBase(
        shape=tuple(given["shape"]),
        chunks=tuple(given["chunks"]),
        shards=None if shards == "none" else tuple(shards),
        dtype=given["dtype"],
    )


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - resolves ..


def _frozen(value: Any) -> Any:
    """Return a value with tuples for its lists."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _checked_field(field: str, name: str) -> str:
    parts = [part for part in field.split("/") if part]
    if field.startswith("/") or ".." in parts or "." in parts or "\\" in field:
        msg = f"image {name}: field {field!r} must be a path inside the store, such as raw/488"
        raise ConfigError(msg)
    return "/".join(parts)


def _fit(value: Any, schema: Schema, where: str) -> Any:
    """Return a value as its schema wants it, or say what is wrong with it."""
    if "anyOf" in schema:
        for choice in schema["anyOf"]:
            try:
                return _fit(value, {"expected": schema["expected"], **choice}, where)
            except ConfigError:
                continue
        raise _misfit(value, schema, where)
    value = _retyped(value, schema["type"])
    if not _is_of(value, schema["type"]):
        raise _misfit(value, schema, where)
    if schema["type"] == "object":
        return _fit_mapping(value, schema, where)
    if schema["type"] == "array":
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            raise _misfit(value, schema, where)
        items = {"expected": schema["expected"], **schema["items"]}
        return [_fit(item, items, where) for item in value]
    if (
        value not in schema.get("enum", [value])
        or ("minimum" in schema and value < schema["minimum"])
        or ("exclusiveMinimum" in schema and not schema["exclusiveMinimum"] < value < float("inf"))
        or (isinstance(value, str) and len(value) < schema.get("minLength", 0))
        or (isinstance(value, str) and not re.search(schema.get("pattern", ""), value))
    ):
        raise _misfit(value, schema, where)
    return value


def _fit_mapping(value: dict[str, Any], schema: Schema, where: str) -> dict[str, Any]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    fitted: dict[str, Any] = {}
    for key, item in value.items():
        inside = f"{where}.{key}" if where else str(key)
        if key not in known and others is False:
            raise ConfigError(f"unknown key {inside!r}{suggestion(str(key), list(known))}")
        if item is not None:
            member = {"expected": schema.get("expected", ""), **known.get(key, others)}
            fitted[str(key)] = _fit(item, member, inside)
    for key in schema.get("required", []):
        if key not in fitted:
            raise ConfigError(f"{where}: {key} is missing; expected {schema['expected']}")
    return fitted


def _is_of(value: Any, kind: str) -> bool:
    """Tell whether a value has a JSON type; true and false are no integers."""
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _retyped(value: Any, kind: str) -> Any:
    """Undo what a command line does to types: numbers for strings, strings for all else."""
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind != "string" and isinstance(value, str):
        try:
            return json.loads(value.lower() if kind == "boolean" else value)
        except ValueError:
            return value
    return value


_OWN_NAMES = {
    "average": "mean",
    "nearest": "stride",
    "subsample": "stride",
    "majority": "mode",
    "minimum": "min",
    "maximum": "max",
}
"""What other tools call a method, and we do."""


def _misfit(value: object, schema: Schema, where: str) -> ConfigError:
    hint = ""
    if isinstance(value, str):
        forms = [schema, *schema.get("anyOf", [])]
        choices = [str(choice) for form in forms for choice in form.get("enum", [])]
        hint = nearest(_OWN_NAMES.get(value, value), choices)
    return ConfigError(f"{where}: expected {schema['expected']}, found {value!r}{hint}")


def check_names(image: str, key: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
    """See that a mapping by axis name names axes that an image has.

    Raises
    ------
    ConfigError
        If it names another.
    """
    for name in values:
        if name not in names:
            msg = f"image {image}: {key} names axis {name!r}, axes are {list(names)}"
            is_near = len(name) > 1 or name.lower() in names
            raise ConfigError(msg + suggestion(name, names) if is_near else msg)


def to_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of a configuration file, in their order."""
    text: str = yaml.safe_dump(
        dict(settings), sort_keys=False, default_flow_style=None, allow_unicode=True, width=1000
    )
    return text
