"""Fields of a dataset of yt, poured into images with pyramids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.downsample import find_image
from zarrpyramid.errors import ConfigError, nearest, suggestion
from zarrpyramid.pyramids import build_pyramid

from .frame import check_unit, ngff_unit
from .importing import import_yt
from .level_0 import boxes, check_settings, new_image, put_box, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zarrpyramid.geometry import Shape
    from zarrpyramid.pyramids import Pyramid

    from .level_0 import NewImage

    Field = str | tuple[str, str]


def sample_fields(
    ds: Any,
    fields: Field | Sequence[Field],
    store: object,
    *,
    max_level: int | None = None,
    path: str = "",
    units: Mapping[Field, str] | None = None,
    length_unit: str | None = None,
    chunks: int | Sequence[int] = 64,
    dtype: str = "float64",
    storage_options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Pyramid]:
    """Write fields of a dataset of yt as images, and build their pyramids.

    Level 0 equals ``ds.covering_grid(max_level, ...)`` over the whole domain: cells that yt refines
    less fill all voxels that they cover. The levels are means of it as `build_pyramid` makes them,
    so that level n has the cells of refinement ``max_level - n``. Boxes of whole chunks are
    sampled one by one, of 16 MB in float64 unless one chunk has more; yt reads all that a grid
    holds.

    An image is the group ``path/NAME`` with the axes z, y, x (y, x of a dataset in two dimensions);
    NAME is the field's name without its type. Its attribute ``yt`` holds the units, the edge and
    the periodicity of the domain for `load_pyramid`.

    Parameters
    ----------
    ds
        A dataset of yt in Cartesian coordinates.
    fields
        A field of cells, "density" or ("gas", "density"), or a list of them.
    store
        A path, a URL, a zarr store object, or a group opened from one.
    max_level
        Refinement of level 0; that of the finest grid unless given.
    path
        Group in the store in which the images are made.
    units
        Unit of each field; yt's own unless given.
    length_unit
        Unit of lengths; the dataset's own (``ds.length_unit``) unless given.
    chunks, dtype
        Of level 0, chunks in the order of its axes.
    storage_options
        For a URL.
    **settings
        For `build_pyramid`. Unless given, `scale_factors` is the dataset's ``refine_by``, and there
        is a level for each refinement, with more where the image is large.

    Returns
    -------
    dict
        The `Pyramid` of each image by the image's path.

    Raises
    ------
    PyramidError
        If a field is absent or of particles, a place is taken, or a setting has a value that it
        cannot have. Nothing is written then.
    """
    yt = import_yt()
    wanted = _fields(ds, fields, yt)
    domain, steps = _domain(ds, max_level)
    n_axes = len(domain)
    unit = length_unit or str(ds.length_unit.units)
    unit = "code_length" if unit == "dimensionless" else unit
    ngff, size = ngff_unit(unit, f"length_unit={unit!r}")
    width = ds.domain_width.to_value(unit)[:n_axes] / domain
    own = {_name(field): unit for field, unit in (units or {}).items()}
    for name in own:
        if name not in wanted:
            raise ConfigError(f"units names {name!r}, no field{suggestion(name, list(wanted))}")
    voxels = {name: float(n) * size for name, n in zip("xyz", width, strict=False)}
    given: dict[str, Any] = {
        "voxel_size": voxels,
        **({"unit": dict.fromkeys(voxels, ngff)} if ngff else {}),
        "scale_factors": list(_refine_by(ds)[:n_axes][::-1]),
        **({"storage_options": storage_options} if storage_options else {}),
        **settings,
    }
    images = {}
    for name, field in wanted.items():
        place = f"{path}/{name}".strip("/")
        check_settings(place, given)
        images[place] = new_image(
            store,
            place,
            shape=domain[::-1],
            chunks=chunks,
            dtype=dtype,
            axes="xyz"[:n_axes][::-1],
            said={
                "length_unit": unit,
                "left_edge": ds.domain_left_edge.to_value(unit).tolist(),
                "periodicity": [bool(axis) for axis in ds.periodicity],
                "unit": _unit(ds, field, own.get(name)),
            },
            storage_options=storage_options,
        )
    _pour(ds, steps, list(wanted.values()), list(images.values()))
    if "levels" not in settings:
        # As many as an image of these extents has, and the dataset's own refinements at least.
        usual = len(find_image(store, next(iter(images)), given).plan.levels) - 1
        given["levels"] = max(usual, steps) or "auto"
    return {place: build_pyramid(store, place, **given) for place in images}


def _pour(
    ds: Any, level: int, fields: Sequence[tuple[str, str]], images: Sequence[NewImage]
) -> None:
    """Write level 0 of images of equal extents: fields at a refinement, box by box."""
    domain = _three(images[0].shape[::-1])
    with writing(images) as opened:
        for region in boxes(images[0]):
            cells = region[::-1]
            starts = ([side.start for side in cells] + [0])[:3]
            offset = ds.arr(starts, "dimensionless") * ds.domain_width / domain
            extents = geometry.region_shape(cells)
            grid = ds.covering_grid(
                level, left_edge=ds.domain_left_edge + offset, dims=_three(extents)
            )
            for image, field, target in zip(images, fields, opened, strict=True):
                values = grid[field].to_value(image.said["unit"])
                put_box(target, region, values.reshape(extents).transpose())
                grid.clear_data()


def _fields(ds: Any, fields: Field | Sequence[Field], yt: Any) -> dict[str, tuple[str, str]]:
    """Return the fields by the names of their images."""
    is_one = isinstance(fields, str) or (
        isinstance(fields, tuple) and len(fields) == 2 and all(isinstance(n, str) for n in fields)
    )
    listed: list[Any] = [fields] if is_one else list(fields)
    found: dict[str, tuple[str, str]] = {}
    for field in listed:
        try:
            info = ds._get_field_info(field)
        except yt.utilities.exceptions.YTFieldNotFound as error:
            names = {each[1] for each in (*ds.field_list, *ds.derived_field_list)}
            hint = nearest(_name(field), names)
            raise ConfigError(
                f"{ds} has no field {field!r}{hint or '; ds.field_list has those that it stores'}"
            ) from error
        except ValueError as error:  # several types have a field of the name
            raise ConfigError(
                f"{ds} has several fields {field!r}; give one with its type, such as "
                f"{('gas', _name(field))}"
            ) from error
        if info.sampling_type == "particle":
            raise ConfigError(
                f"{field!r} of {ds} is a field of particles, which stand in no grid; deposit it "
                f"on cells, as ds.add_deposited_particle_field does"
            )
        name = str(info.name[1])
        if name in found:
            raise ConfigError(
                f"{found[name]} and {info.name} would both be the image {name!r}; sample one of "
                "them into another path"
            )
        found[name] = info.name
    if not found:
        raise ConfigError("expected a field at least, found none")
    return found


def _unit(ds: Any, field: tuple[str, str], given: str | None) -> str:
    """Return the unit in which a field is written."""
    own = ds.field_info[field].units
    if own in (None, "auto"):  # yt finds it when it computes the field
        dims = [1] * 3
        own = ds.covering_grid(0, left_edge=ds.domain_left_edge, dims=dims)[field].units
    if given is None:
        return str(own)
    if not ds.quan(1.0, own).units.same_dimensions_as(
        ds.quan(1.0, check_unit(given, f"units of {field}")).units
    ):
        raise ConfigError(f"units of {field}: {given!r} is none of its own kind, which is {own}")
    return given


def _name(field: Field) -> str:
    return field if isinstance(field, str) else field[1]


def _domain(ds: Any, max_level: int | None) -> tuple[Shape, int]:
    """Return the extents of level 0 along x, y and z, as far as they are, and its refinement."""
    if str(ds.geometry) != "cartesian" or ds.dimensionality < 2:
        raise ConfigError(
            f"{ds} has {ds.dimensionality} axes of {ds.geometry} coordinates; expected 2 or 3 "
            "Cartesian ones"
        )
    finest = getattr(ds.index, "max_level", None)  # octrees in memory do not say
    level = finest if max_level is None else max_level
    if level is None or level != int(level) or level < 0:
        raise ConfigError(f"max_level={level!r}: expected a whole number from 0 on; give max_level")
    level = int(level)
    factors = _refine_by(ds)
    cells = [int(n) for n in ds.domain_dimensions[: ds.dimensionality]]
    return tuple(n * k**level for n, k in zip(cells, factors, strict=False)), level


def _refine_by(ds: Any) -> tuple[int, ...]:
    factors = getattr(ds.refine_by, "tolist", lambda: ds.refine_by)()
    return tuple(factors) if isinstance(factors, list) else (int(factors),) * 3


def _three(extents: Shape) -> list[int]:
    """Return extents with a last axis of one cell where there are two."""
    return [*extents, 1][:3]
