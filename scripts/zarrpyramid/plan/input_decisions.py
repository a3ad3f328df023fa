"""What was decided of a level 0 that is made of files, and why, for people.

Zarr says itself what its chunks, axes and voxel sizes are; a file of another format may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid.metadata import Axis, axis_type, listed_axes, stated_version

from .axes import given_by_axis, unsized_axes
from .decision import Decision
from .slabs import choose_slab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarrpyramid.config import ImageConfig
    from zarrpyramid.inputs import InputForm

    from .input_source import InputSource


def explained(config: ImageConfig, source: InputSource) -> tuple[Decision[Any], ...]:
    """Return what was decided of level 0, whose chunks and axes the file does not have."""
    form, base = source.image.form, source.base
    blocks, starts = source.block_grid
    slab = choose_slab(base.shape, base.write_shape, blocks, base.item_size, starts)
    listed = listed_axes(source.attributes)
    units = {axis["name"]: axis["unit"] for axis in listed if "unit" in axis}
    is_cut = isinstance(config.chunks, tuple)
    cut = "" if is_cut else "near cubes; "
    cut += f"each block {list(source.blocks)} of the source is decoded "
    cut += "once" if slab.decodes == 1 else f"{slab.decodes:.3g} times"
    decided: list[Decision[Any]] = [
        Decision(key="source", value=source.name, given=True),
        _explained_axes(config, form),
        Decision(key="chunks", value=base.chunks, given=is_cut, why=cut),
    ]
    if config.ngff_version == "same":
        version, why = (
            stated_version(source.attributes),
            f"what viewers read in zarr v{base.zarr_format}",
        )
        decided.append(Decision(key="ngff_version", value=version, why=why))
    if "dtype" in form.origins:
        decided.append(Decision(key="dtype", value=form.dtype, why=form.origins["dtype"]))
    decided += _explained_sizes(config, form)
    if units and not config.unit:
        why = form.origins.get("unit", form.origins.get("voxel_size", "the file says so"))
        decided.append(Decision(key="unit", value=units, why=why))
    return tuple(decided)


def _explained_axes(config: ImageConfig, form: InputForm) -> Decision[tuple[str, ...]]:
    """Return the axes of level 0, whose names are given or found, and how they are ordered."""
    names = form.origins.get("axes", "the source names none; the usual ones of so many")
    order = "transpose" if config.transpose else "OME-NGFF"
    why = [] if config.axes else [names]
    if config.transpose or (config.axes and config.axes != form.axes):
        why.append(f"in the order of {order}")
    return Decision(key="axes", value=form.axes, given=config.axes is not None, why=", ".join(why))


def _explained_sizes(config: ImageConfig, form: InputForm) -> Iterator[Decision[Any]]:
    """Yield which voxel sizes the file gives, and along which axes nothing gives them."""
    axes = [Axis(name=name, type=axis_type(name)) for name in form.axes]
    given = given_by_axis(config, "voxel_size", axes)
    found = {name: form.voxel_size[name] for name in form.axes if name in form.voxel_size}
    unknown = unsized_axes(config, axes, form.voxel_size)
    reasons = [form.origins.get("voxel_size", "the file says so")] if found.keys() - given else []
    if reasons and given:
        reasons.append(f"{', '.join(given)} as given")
    if unknown:
        example = ", ".join(f"{name}: SIZE" for name in unknown)
        reasons.append(
            f"nothing says how large voxels are along {', '.join(unknown)}; give voxel_size: "
            f"{{{example}}}"
        )
    if reasons:
        value = {name: given.get(name, found.get(name)) for name in form.axes}
        sizes = {name: size for name, size in value.items() if size is not None}
        yield Decision(key="voxel_size", value=sizes or None, why="; ".join(reasons))
