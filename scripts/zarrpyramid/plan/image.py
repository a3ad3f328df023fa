"""An image in its store: found, planned, and looked at without reading a voxel.

What the Snakefile needs while it parses; imports no array library.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.config import group_path
from zarrpyramid.errors import ConfigError, StoreError
from zarrpyramid.metadata import (
    RECORD_ENTRY,
    RECORD_KEY,
    LevelPaths,
    base_path,
    find_images,
    fits,
    is_inside,
    join,
    levels_there,
    listed_paths,
    locate,
    object_stats,
    open_group,
    read_array,
    read_node,
    tally_keys,
    well_formed,
    without_paths,
)

from .levels import ImagePlan, made_base, plan_image
from .source import BASE_KEY, open_source, trust_linked_base

if TYPE_CHECKING:
    from typing import Any

    from zarrpyramid.config import DeclaredBase, ImageConfig
    from zarrpyramid.metadata import ArrayMetadata, Node, Record
    from zarrpyramid.stores import Store

    from .source import Source


OBJECT_KEY = re.compile(r"(c[./])?\d+([./]\d+)*")
"""Key of a stored object, of either format and separator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image's group, opened: its files, its path in them, and its plan.

    Attributes
    ----------
    paths
        Where the levels stand in the group.
    source
        What level 0 is taken from; None where it is the user's own.
    """

    store: Store
    path: str
    plan: ImagePlan
    paths: LevelPaths
    source: Source | None = None

    @property
    def makes_group(self) -> bool:
        """Whether the run makes the image's group where it is absent."""
        return self.source is not None or self.plan.image.test_image is not None

    @property
    def copies(self) -> bool:
        """Whether level 0 is a copy of its source."""
        return self.source is not None and not self.plan.image.link_base

    def level_path(self, level: int) -> str:
        """Return the path of a level's array in the files."""
        return join(self.path, self.paths.path(level))

    def name(self, level: int) -> str:
        """Name a level in messages."""
        return f"{self.store.name}/{self.level_path(level)}"


def read_level(image: Image, level: int) -> ArrayMetadata:
    """Return the metadata of a level that must be there.

    Raises
    ------
    StoreError
        If it is not.
    """
    metadata = read_array(image.store, image.level_path(level))
    if metadata is None:
        raise StoreError(
            f"there is no array {image.name(level)}; expected level {level} of an image"
        )
    return metadata


def record_of(node: ArrayMetadata | Node | None) -> Record | None:
    """Return the record that an array carries of itself, or None where it is none of our levels.

    Entries that no record of ours has in such a form are left out of it.
    """
    record = None if node is None else node.attributes.get(RECORD_KEY)
    return well_formed(record) if isinstance(record, dict) else None


MOST_COUNTED = 1 << 17
"""Objects up to which those of an array are looked at whenever jobs are planned.

A stat, a sort and a hash: 5.5 us an object, 0.7 s in all.
"""

MOST_ASKED = 1 << 10
"""The same where a server lists no keys: a request an object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLayout:
    """Level 0's objects, looked at without reading them, as far as they are watched.

    Attributes
    ----------
    fingerprint
        Digest of the form that the metadata gives them, and of their keys and sizes if they are
        watched; equal for a copy of the store.
    watch
        The same with their versions (times of change): another one means that a voxel may have
        changed.
    stored_bytes
        Bytes of all objects; None where they are not watched.
    """

    fingerprint: str
    watch: str
    stored_bytes: int | None


def watched_by(image: Image, store: Store | None = None) -> str:
    """Return by what a change of level 0 is seen: objects, metadata or none.

    Parameters
    ----------
    files
        Where it is looked at, if not in the image's own: those of its source.
    """
    asked = image.plan.image.base_watch
    if asked != "auto":
        return asked
    most = MOST_COUNTED if (store or image.store).lists else MOST_ASKED
    return "objects" if image.plan.levels[0].n_objects <= most else "metadata"


def stored_objects(image: Image, level: int) -> list[tuple[str, int, int]]:
    """Return key, bytes and version of a level's objects; documents and litter do not count."""
    return _objects(image.store, image.level_path(level))


def _objects(store: Store, path: str) -> list[tuple[str, int, int]]:
    return sorted(found for found in object_stats(store, path) if OBJECT_KEY.fullmatch(found[0]))


def base_layout(image: Image) -> BaseLayout:
    """Look at level 0's objects, and at what its metadata makes of their bytes."""
    return _layout(image, image.store, image.level_path(0))


def source_layout(image: Image) -> BaseLayout:
    """Look at the objects that level 0 is taken from, the same as level 0's where it has none."""
    if image.source is None:
        return base_layout(image)
    return _layout(image, image.source.store, image.source.path)


def _layout(image: Image, store: Store, path: str) -> BaseLayout:
    watched = watched_by(image, store)
    if watched == "none":
        return BaseLayout(fingerprint="", watch=watched, stored_bytes=None)
    form = json.dumps(image.plan.base.form, sort_keys=True)
    if watched == "metadata":
        return BaseLayout(fingerprint=_hash(form), watch=_hash(form), stored_bytes=None)
    objects = _objects(store, path)
    return BaseLayout(
        fingerprint=_hash("\n".join([form, *(f"{key} {size}" for key, size, _ in objects)])),
        watch=_hash("\n".join([form, *map(str, objects)])),
        stored_bytes=sum(size for _, size, _ in objects),
    )


def missing_objects(image: Image) -> list[str]:
    """Return the keys of level 0 that are not there; none where its objects are not watched."""
    if watched_by(image) != "objects":
        return []
    base = image.plan.base
    there = {key for key, _, _ in stored_objects(image, 0)}
    grid = geometry.grid_shape(base.shape, base.write_shape)
    keys = map(base.object_key, geometry.iterate_units(grid))
    return [key for key in keys if key not in there]


def base_record(image: Image, layout: BaseLayout) -> Record:
    """Return what the sentinel of level 0 holds."""
    expected = image.plan.levels[0].expected
    return {
        **{key: expected[key] for key in ("level", "shape", "chunks", "shards", "dtype")},
        "fingerprint": layout.fingerprint,
        "stored_bytes": layout.stored_bytes,
    }


def level_metadata(image: Image, level: int) -> ArrayMetadata:
    """Return the metadata that a level shall have: level 0's, in the level's extents and codecs."""
    wanted = image.plan.levels[level]
    target = image.plan.pattern.derive(
        shape=wanted.shape,
        chunks=wanted.chunks,
        shards=wanted.shards,
        attributes={},
        dtype=wanted.dtype,
    )
    return target.named([axis.name for axis in image.plan.axes])


def why_incomplete(found: ArrayMetadata, objects: list[tuple[str, int, int]]) -> str:
    """Return what is wrong with a level's `stored_objects`, or nothing; empty ones are none.

    Where the recipe leaves out what holds nothing but the fill value, the record says which objects
    were written; records of older releases do not, and of such a level none is missed.
    """
    grid = geometry.grid_shape(found.shape, found.write_shape)
    keys = [
        key
        for key, size, _ in objects
        if size > 0 and all(int(i) < n for i, n in zip(re.findall(r"\d+", key), grid, strict=False))
    ]
    n_expected = expected_objects(found)
    if n_expected is None:
        return ""
    if len(keys) < n_expected:
        return f"lacks {n_expected - len(keys)} stored objects"
    written = (record_of(found) or {}).get(RECORD_ENTRY)
    if written is not None and tally_keys(keys).record != written:
        return "has other stored objects than were written"
    return ""


def expected_objects(found: ArrayMetadata) -> int | None:
    """Return how many stored objects a level has when none is lost, or None where nobody knows."""
    record = record_of(found) or {}
    if RECORD_ENTRY in record:
        n_written: int = record[RECORD_ENTRY]["n"]
        return n_written
    if record.get("recipe", {}).get("write_empty_chunks") is False:
        return None
    return geometry.count(geometry.grid_shape(found.shape, found.write_shape))


def why_remade(
    image: Image, level: int, found: ArrayMetadata, *, most_counted: int | None = None
) -> str:
    """Return why a level that is there is not the one that is planned, or nothing.

    What it was made from is for others to know. The objects of a level that shall have more than
    `most_counted` are not looked at.
    """
    record = record_of(found) or {}
    same_form = found.document == level_metadata(image, level).document
    is_whole = "digest" in record and "source" in record
    if not (same_form and is_whole and fits(record, image.plan.levels[level].expected)):
        return f"{image.name(level)} was made by another recipe"
    if most_counted is not None and image.plan.levels[level].n_objects > most_counted:
        return ""
    fault = why_incomplete(found, stored_objects(image, level))
    return f"{image.name(level)} {fault}" if fault else ""


def levels_beside(image: Image) -> list[int]:
    """Return the numbers of the levels at whose paths something stands, whoever made it."""
    levels = levels_there(image.store, image.path, image.paths)
    return [
        level for level in levels if read_node(image.store, image.level_path(level)) is not None
    ]


def our_levels(image: Image, first: int = 1) -> list[int]:
    """Return the numbers of the levels from `first` on that carry our record.

    Others, groups and arrays that this package does not serve among them, may stand beside them.
    """
    return [
        level
        for level in levels_beside(image)
        if level >= first
        and not image.store.is_link(image.level_path(level))
        and record_of(read_node(image.store, image.level_path(level)))
    ]


def open_image(config: ImageConfig, store: Store | None = None, path: str = "") -> Image:
    """Find an image and plan its levels.

    Parameters
    ----------
    config
        Of the image. Where it asks for a test image that is not there yet, the plan is made from
        what it asks for; where it names a source, from that; where it declares a level 0 that is
        not there yet, or is still to be replaced, from what it declares.
    files, path
        Where the group is, if not at the path of the configuration.

    Raises
    ------
    PyramidError
        If the group or its level 0 is not there or not served, or the configuration does not fit
        it.
    """
    if store is None:
        store, path = locate(
            config.store,
            config.field,
            follow_links=config.follow_links,
            options=config.storage_options,
            durable=config.durability != "none",
        )
    if config.source is not None:
        return _open_taken(config, store, path)
    made = config.test_image
    paths = LevelPaths()
    if made is not None and read_node(store, join(path, "0")) is None:
        plan = plan_image(config, made_base(made, config.axes))
    elif config.base is not None and not _is_as_declared(config, config.base, store, path):
        plan = plan_image(config, made_base(config.base, config.axes))
    else:
        group = open_group(store, path)
        paths = _level_paths(store, path, group)
        trust_linked_base(store, group, join(path, paths.base))
        base = _read_base(store, path, group, paths.base)
        # While level 0 is withdrawn from the list, nobody else's scale is its.
        others = {*listed_paths(group.attributes)} - {paths.base}
        plan = plan_image(config, base, without_paths(group.attributes, others))
    return Image(store=store, path=path, plan=plan, paths=paths)


def _open_taken(config: ImageConfig, store: Store, path: str) -> Image:
    """Plan an image whose level 0 is taken from elsewhere; its group need not be there yet."""
    source = open_source(config, store)
    group = read_node(store, path)
    if config.link_base:
        store.trust(source.name)
    trust_linked_base(store, group, join(path, "0"))
    listed = None if group is None else base_path(group.attributes)
    is_ours = group is not None and BASE_KEY in group.attributes
    if listed not in (None, "0") and not is_ours:
        raise StoreError(
            f"{store.name}/{path}".rstrip("/")
            + f" lists {listed} as level 0 already; choose another store or field for the image "
            f"of {source.name}"
        )
    _check_voxels(source.base, source.name)
    plan = plan_image(config, source.base, source.attributes)
    return Image(store=store, path=path, plan=plan, paths=LevelPaths(), source=source)


def _is_as_declared(config: ImageConfig, base: DeclaredBase, store: Store, path: str) -> bool:
    """Tell whether level 0 is there and is what was declared.

    Another one is refused, unless other rules of the run may be about to make it anew.
    """
    group = read_node(store, path)
    paths = LevelPaths() if group is None else _level_paths(store, path, group)
    found = read_array(store, join(path, paths.base))
    if found is None:
        return False
    misfit = _misfit(config, base, found, {} if group is None else group.attributes)
    if misfit and not config.base_ready:
        raise ConfigError(misfit)
    return not misfit


def check_declared(image: Image) -> None:
    """See that level 0, which must be there, is what was declared of it.

    Raises
    ------
    ConfigError
        If it is not.
    """
    base = image.plan.image.base
    if base is None:
        return
    group = open_group(image.store, image.path)
    misfit = _misfit(image.plan.image, base, read_level(image, 0), group.attributes)
    if misfit:
        raise ConfigError(misfit)


def _misfit(
    config: ImageConfig, base: DeclaredBase, found: ArrayMetadata, attributes: dict[str, Any]
) -> str:
    """Return in what a level 0 is not what was declared, or nothing."""
    where = f"image {config.name}: level 0 in {group_path(config.store, config.field)}"
    for key in ("shape", "chunks", "shards", "dtype"):
        declared, there = getattr(base, key), getattr(found, key)
        if declared != there:
            return (
                f"{where} has {key} {_shown(there)}, base declares {_shown(declared)}; correct "
                f"base.{key}, or the rule that makes level 0"
            )
    plans = plan_image(config, made_base(base, config.axes)), plan_image(config, found, attributes)
    declared, there = ([axis.name for axis in plan.axes] for plan in plans)
    if declared != there:
        return f"{where} has axes {there}, base was planned with {declared}; give axes: {there}"
    return ""


def _shown(value: object) -> str:
    """Return extents as a configuration has them."""
    if value is None:
        return "none"
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _level_paths(store: Store, path: str, group: Node) -> LevelPaths:
    if BASE_KEY in group.attributes:  # at 0, also while the list is without it
        return LevelPaths()
    base = base_path(group.attributes) or "0"
    if not is_inside(base):
        raise StoreError(
            f"{store.name}/{path}".rstrip("/")
            + f" lists {base!r} as level 0, expected the path of an array in the group; mend its "
            "multiscales"
        )
    return LevelPaths(base=base)


def _read_base(store: Store, path: str, group: Node, base: str) -> ArrayMetadata:
    """Return the metadata of level 0, of which a group says that it is at the path `base`."""
    where = f"{store.name}/{path}".rstrip("/")
    found = read_array(store, join(path, base))
    if found is None and base_path(group.attributes) == base:
        raise StoreError(
            f"{where} lists {base} first, as level 0, but has no such array; restore it, or mend "
            "the group's multiscales"
        )
    if found is None:
        inside = ", ".join(store.children(path) if store.lists else ()) or "nothing"
        below, beside = (
            ", ".join(repr(field) for field in find_images(store, place)) for place in (path, "")
        )
        if below:
            hint = f"groups below it that have one: {below}; give one as field"
        elif beside:
            hint = f"it holds {inside}; fields of its store that have one: {beside}"
        else:
            hint = f"it holds {inside}; write the image there as array 0, or give it as source"
        raise StoreError(f"{where} has no array 0 for level 0; {hint}")
    if found.zarr_format != group.zarr_format:
        raise StoreError(
            f"{where} is a group of zarr v{group.zarr_format}, its array {base} is of "
            f"v{found.zarr_format}; write both in one format"
        )
    _check_voxels(found, f"{where}/{base}")
    return found


def _check_voxels(base: ArrayMetadata, where: str) -> None:
    if 0 in base.shape:
        raise StoreError(f"{where} has no voxels, its shape is {list(base.shape)}")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
