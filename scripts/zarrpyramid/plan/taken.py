"""An image whose level 0 is taken from elsewhere: a zarr array, or files of other formats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import base_path, join, packing, read_node

from .axes import unsized_axes
from .base_place import check_voxels
from .input_decisions import explained
from .input_source import InputSource, find_input, input_source
from .levels import plan_image
from .source import BASE_KEY, Source, check_apart, open_source, trust_linked_base
from .zarr_input import is_read, kept_attributes, zarr_input

if TYPE_CHECKING:
    from zarrpyramid.config import ImageConfig
    from zarrpyramid.stores import Store

    from .levels import ImagePlan


def plan_taken(
    config: ImageConfig, store: Store, path: str
) -> tuple[ImagePlan, Source | InputSource]:
    """Return the plan of such an image, whose group need not be there yet, and its source."""
    check_apart(config, store)
    found = find_input(config, store, path)
    source: Source | InputSource = found or open_source(config)
    if isinstance(source, Source) and is_read(config, source):
        source = found = input_source(
            config,
            zarr_input(config, source),
            store,
            path,
            packed=packing(source.base.attributes),
            kept=kept_attributes(config, source),
        )
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
    check_voxels(source.base, source.name)
    if found is None:
        plan = plan_image(config, source.base, source.attributes, path)
    else:
        # The attributes name the axes, in the order that level 0 has.
        plan = plan_image(
            replace(config, axes=None), found.base, found.attributes, path, found.block_grid
        )
        told = explained(config, found)
        unsized = unsized_axes(config, plan.axes, found.image.form.voxel_size)
        keys = {decision.key for decision in told}
        kept = (known for known in plan.decisions if known.key not in keys)
        plan = replace(plan, asked=config, decisions=(*told, *kept), unsized=unsized)
    return plan, source
