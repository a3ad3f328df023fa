"""An image in its store: found by its documents and planned, before a voxel is read.

Imports no array library.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zarrpyramid.config import group_path
from zarrpyramid.errors import ConfigError
from zarrpyramid.metadata import (
    ABOVE,
    LevelPaths,
    groups_above,
    join,
    listed_paths,
    locate,
    open_group,
    reach,
    read_array,
    read_node,
    without_paths,
)

from .alike import plan_alike
from .base_objects import watched_by
from .base_place import level_paths, read_base
from .companion import companion_name, companion_of
from .levels import ImagePlan, made_base, plan_image
from .source import Source, trust_linked_base
from .version import check_around

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from zarrpyramid.config import DeclaredBase, ImageConfig
    from zarrpyramid.metadata import ArrayMetadata
    from zarrpyramid.stores import Store

    from .input_source import InputSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image's group in a store: the store, the path of the group in it, and the plan.

    Attributes
    ----------
    paths
        Paths of the levels in the group.
    source
        The array that level 0 is taken from; None where level 0 is the user's own.
    """

    store: Store
    path: str
    plan: ImagePlan
    paths: LevelPaths
    source: Source | InputSource | None = None

    @property
    def place(self) -> str:
        """Path in the store of what the configuration calls its store."""
        return self.path[: len(self.path) - len(self.plan.image.field)].rstrip("/")

    @property
    def makes_group(self) -> bool:
        """Whether the run makes the image's group where it is absent."""
        is_made = self.source is not None or self.plan.image.test_image is not None
        return is_made or self.is_companion

    @property
    def is_companion(self) -> bool:
        """Whether level 0 is that of an image in whose group this one's group is."""
        return self.paths.base.startswith(ABOVE)

    @property
    def lock(self) -> str:
        """The prefix that a process locks while it changes levels: one that no other image has."""
        return self.path if self.is_companion else self.level_path(0)

    @property
    def copies(self) -> bool:
        """Whether level 0 is a copy of its source."""
        return self.source is not None and not self.plan.image.link_base

    @property
    def input(self) -> InputSource | None:
        """The source, where level 0 is made of files of another format."""
        return None if isinstance(self.source, Source) else self.source

    def looked_at(
        self,
        *levels: int,
        listed: int = 0,
        objects: bool = False,
        above: bool = False,
        anew: bool = False,
    ) -> AbstractContextManager[None]:
        """Have a remote store asked once for the documents that a block reads, and side by side.

        Those of the group and of some levels that are there, and the names in the group, are asked
        for as the block begins.

        Parameters
        ----------
        listed
            A level of which something else than an array may be there: its folder is listed, where
            all objects are in one folder below.
        objects
            Whether the objects of level 0 are looked at too.
        above
            Whether the documents of the groups above are read, too, where nothing changes.
        anew
            Whether documents that are remembered already are asked for again; names are not.
        """
        spelling = self.plan.base.format
        both = {spelling.attributes_document}
        of_groups = both | {spelling.group_document, spelling.consolidated_document}
        of_levels = both | {spelling.array_document}
        groups = (*groups_above(self.path), self.path) if above else (self.path,)
        is_listed = objects and watched_by(self) == "objects"
        first = self.plan.pattern.object_key((0,) * len(self.plan.base.shape))
        is_short = first.startswith("c/")  # else it has as many entries as the level has objects
        return self.store.remembered(
            {
                *(join(group, name) for group in groups for name in of_groups),
                *(join(self.level_path(level), name) for level in levels for name in of_levels),
            },
            folders=()
            if anew
            else {
                self.path,
                join(self.path, self.paths.folder),
                *([self.level_path(listed)] if listed and is_short else []),
            },
            trees=[self.level_path(0)] if is_listed else [],
            anew=anew,
        )

    def level_path(self, level: int) -> str:
        """Return the path of a level's array in the store."""
        return reach(self.path, self.paths.path(level))

    def name(self, level: int) -> str:
        """Return what messages call a level."""
        return f"{self.store.name}/{self.level_path(level)}"


def open_image(
    config: ImageConfig,
    store: Store | None = None,
    path: str = "",
    *,
    looks: ExitStack | None = None,
) -> Image:
    """Find an image and plan its levels.

    Parameters
    ----------
    config
        Settings of the image. The plan is made from level 0 as it is there; from the test image
        that is asked for and not there yet; from the source where one is named; from the level 0
        that is declared and not there yet, or is still to be replaced.
    store, path
        Store and path of the group, if they are not those of the configuration.
    looks
        Where given, what a remote store answers is kept until it is closed.

    Raises
    ------
    PyramidError
        If the group or its level 0 is not there or not served, or the configuration does not fit
        it.
    """
    if config.companion:
        name = config.name.removesuffix(companion_name("", config.companion))
        of = open_image(replace(config, name=name, companion=""), store, path)
        return companion_of(of, config.companion)
    wanted = ("zarr.json", join(config.base_path or "0", "zarr.json"))
    with ExitStack() as own:
        kept = own if looks is None else looks
        if store is None:
            store, path = locate(
                config.store,
                config.field,
                follow_links=config.follow_links,
                options=config.storage_options,
                durable=config.durability != "none",
                looks=kept,
                wanted=wanted,
            )
        else:
            kept.enter_context(store.remembered(join(path, key) for key in wanted))
        return _opened(config, store, path)


def _opened(config: ImageConfig, store: Store, path: str) -> Image:
    check_around(config, store, path)
    if config.source is not None:
        from .taken import plan_taken  # readers of files, which few images need

        plan, source = plan_taken(config, store, path)
        return Image(store=store, path=path, plan=plan, paths=LevelPaths(), source=source)
    made = config.test_image
    paths = LevelPaths()
    if made is not None and read_node(store, join(path, "0")) is None:
        plan = plan_image(config, made_base(made, config.axes), path=path)
    elif config.base is not None and not _is_as_declared(config, config.base, store, path):
        plan = plan_image(config, made_base(config.base, config.axes), path=path)
        paths = level_paths(config, store, path, read_node(store, path))
    else:
        group = open_group(store, path)
        paths = level_paths(config, store, path, group)
        trust_linked_base(store, group, reach(path, paths.base))
        base = read_base(config, store, path, group, paths.base)
        # While level 0 is withdrawn from the list, nobody else's scale is its.
        others = {*listed_paths(group.attributes)} - {paths.base}
        plan = plan_alike(config, base, without_paths(group.attributes, others), path)
    return Image(store=store, path=path, plan=plan, paths=paths)


def _is_as_declared(config: ImageConfig, base: DeclaredBase, store: Store, path: str) -> bool:
    """Tell whether level 0 is there and is what was declared.

    Another one is refused, unless other rules of the run may be about to make it anew.
    """
    group = read_node(store, path)
    paths = level_paths(config, store, path, group)
    found = read_array(store, join(path, paths.base))
    if found is None:
        return False
    attributes = {} if group is None else group.attributes
    misfit = _misfit(config, base, found, attributes, path)
    if misfit and not config.base_ready:
        raise ConfigError(misfit)
    return not misfit


def check_declared(image: Image, found: ArrayMetadata) -> None:
    """See that level 0 as it was found is what the configuration declares of it.

    Raises
    ------
    ConfigError
        If it is not.
    """
    config = image.plan.asked
    if config.base is None:
        return
    attributes = open_group(image.store, image.path).attributes
    misfit = _misfit(config, config.base, found, attributes, image.path)
    if misfit:
        raise ConfigError(misfit)


def _misfit(
    config: ImageConfig,
    base: DeclaredBase,
    found: ArrayMetadata,
    attributes: dict[str, Any],
    path: str,
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
    before = plan_image(config, made_base(base, config.axes), path=path)
    after = plan_image(config, found, attributes, path)
    for planned, now in zip(before.decisions, after.decisions, strict=True):
        # What is shown of an image changes with its group, and no level with it.
        if planned.value != now.value and planned.key not in ("omero", "ngff_version"):
            # What depends on voxel sizes cannot be given without them.
            given = f"{now.key}: {planned.text}, or voxel_size"
            if now.key != "scale_factors":
                given = f"{now.key}: {now.text}"
            return (
                f"{where} has {now.key} {now.text}{f' ({now.why})' * (not now.given)}, base was "
                f"planned with {planned.text}; give {given}"
            )
    return ""


def _shown(value: object) -> str:
    """Return extents as a configuration has them."""
    if value is None:
        return "none"
    return str(list(value)) if isinstance(value, tuple) else str(value)
