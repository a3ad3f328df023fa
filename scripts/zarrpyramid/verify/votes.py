"""What most documents of a pyramid say of how zarrpyramid made it.

A document that somebody has edited is one voice. The list in the group, the document of every level
and the record in it say the same things several times; what most of them say decides.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarrpyramid import geometry
from zarrpyramid.config import check_config, image_config, short_name
from zarrpyramid.errors import StoreError
from zarrpyramid.metadata import (
    RECORD_ENTRY,
    SAME,
    fits_no_data,
    join,
    listed_axes,
    no_data_of,
    says_no_data,
)
from zarrpyramid.plan import EACH, ONCE, open_image
from zarrpyramid.reduce import ALL_DATA, METHODS

from .origins import factors_between, rounding_of, scale_ratio, weights_in
from .pyramid import ABSENT, FoundLevel
from .reproduction import as_settings, compression, encoding_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from zarrpyramid.geometry import Shape
    from zarrpyramid.metadata import ArrayMetadata, Record
    from zarrpyramid.plan import Image
    from zarrpyramid.reduce import NoData

    from .pyramid import Pyramid

    Choice = TypeVar("Choice")


def agreed_images(
    pyramid: Pyramid, decodes: Callable[[FoundLevel], bool] = lambda level: True, **how: Any
) -> list[Image]:
    """Return the image as most documents of a pyramid have it planned.

    More than one where two methods, or two that leave out other voxels, have equally many votes:
    what voxels say decides then.

    Parameters
    ----------
    decodes
        As for `Votes`.
    how
        Settings beside those that make the levels, such as `follow_links`.

    Raises
    ------
    PyramidError
        If nothing says that zarrpyramid made it, or what is said makes no plan.
    """
    found, images, name = Votes(pyramid, decodes), [], short_name(pyramid.where, "")
    for method, no_data in found.reductions:
        config = check_config({**found.settings(method, no_data), **how, "parts": 1})
        images.append(open_image(image_config(name, config, is_read=True)))
    return images


@dataclass(frozen=True)
class Votes:
    """The documents of a pyramid as witnesses of one recipe.

    Attributes
    ----------
    decodes
        Whether the objects of a level can be decoded by its document. Without being asked, all can.
    as_stated
        Whether levels count too that the list states and that are not there.
    """

    pyramid: Pyramid
    decodes: Callable[[FoundLevel], bool] = lambda level: True
    as_stated: bool = False

    @cached_property
    def base(self) -> ArrayMetadata:
        """The metadata of level 0."""
        level = self.pyramid.levels[0]
        if level.metadata is None:
            raise StoreError(
                f"{level.name} {level.fault}; without level 0 no level can be made again: restore "
                "it from a copy"
            )
        return level.metadata

    @cached_property
    def levels(self) -> dict[int, FoundLevel]:
        """The levels made here by what their records or the group's list say, those lost between.

        A list says so of levels from 1 on without a gap, a record of the level that it names.
        """
        paths, is_ours = self.pyramid.paths, self.pyramid.provenance is not None
        found = {
            paths.level(level.path) or 0: level
            for level in self.pyramid.levels
            if level.record is not None or (is_ours and level.listed)
        }
        named = [n for n, level in found.items() if (level.record or {}).get("level") == n]
        last = max(named, default=0)
        while last + 1 in found:
            last += 1
        if self.as_stated:
            last = max(last, len(self.pyramid.stated_factors))
        if not last:
            raise StoreError(
                f"{self.pyramid.where} has no level that was made here, so that nothing says how"
            )
        numbers = range(1, last + 1)
        lost = {
            n: FoundLevel(
                number=n,
                path=paths.path(n),
                metadata=None,
                fault=ABSENT,
                listed=False,
                at=join(self.pyramid.path, paths.path(n)),
                name=join(self.pyramid.where, paths.path(n)),
            )
            for n in numbers
        }
        return {number: found.get(number, lost[number]) for number in numbers}

    @cached_property
    def arrays(self) -> dict[int, ArrayMetadata]:
        """The metadata of the levels that can be read and have as many axes as level 0."""
        read = {number: level.metadata for number, level in self.levels.items()}
        n_axes = len(self.base.shape)
        return {n: array for n, array in read.items() if array and len(array.shape) == n_axes}

    @cached_property
    def decoded(self) -> list[int]:
        """The numbers of those whose objects their documents decode."""
        return [number for number in self.arrays if self.decodes(self.levels[number])]

    @cached_property
    def records(self) -> dict[int, Record]:
        """The records of the levels; {} of one that has lost it."""
        return {number: level.record or {} for number, level in self.levels.items()}

    @property
    def methods(self) -> list[str]:
        """The methods with the most votes."""
        said = [record.get("recipe", {}).get("method") for record in self.records.values()]
        said.append((self.pyramid.provenance or {}).get("method"))
        methods = _most(method for method in said if isinstance(method, str) and method in METHODS)
        if not methods:
            raise StoreError(f"{self.pyramid.where}: no record or list names a method; build anew")
        return methods

    @property
    def reductions(self) -> list[tuple[str, NoData]]:
        """The methods with the most votes, each with what `nodata` gave by most votes."""
        said = [*(record.get("recipe") for record in self.records.values())]
        said.append(self.pyramid.provenance)
        found = [no_data_of(recipe) for recipe in said if recipe and says_no_data(recipe)]
        given = [no_data if no_data.is_given else ALL_DATA for no_data in found]
        form = tuple(self.factors[0]), self.base.shape, self.base.dtype
        return [
            (method, no_data)
            for method in self.methods
            for no_data in _most(n for n in given if fits_no_data(n, method, *form)) or [ALL_DATA]
        ]

    @property
    def rounding(self) -> str:
        """How means are rounded, by most records and the list."""
        said = [rounding_of(record) for record in self.records.values() if "recipe" in record]
        stated = str((self.pyramid.provenance or {}).get("rounding", ""))
        said += [ONCE if stated.endswith(ONCE) else EACH] if stated else []
        return _most(said)[0] if said else EACH

    @property
    def weights(self) -> str:
        """The path of the weights from the group, by most records and the list; "" for none."""
        said = [weights_in(record) for record in self.records.values() if "recipe" in record]
        stated = (self.pyramid.provenance or {}).get("weights")
        said += [stated] if isinstance(stated, str) else []
        return _most(said)[0] if said else ""

    @property
    def factors(self) -> list[list[int]]:
        """The factors of each level, by its record, the list and the shapes."""
        listed = (self.pyramid.provenance or {}).get("factors")
        levels = {0: self.pyramid.levels[0], **self.levels}
        arrays, chain = {0: self.base, **self.arrays}, []
        for number, record in self.records.items():
            said = [record.get("recipe", {}).get("factors")]
            said += listed[number - 1 : number] if isinstance(listed, list) else []
            votes = [tuple(step) for step in said if self._is_step(step)]
            finer, coarser = (arrays.get(n) for n in (number - 1, number))
            if finer and coarser:
                ratio = scale_ratio(self.pyramid, levels[number - 1], levels[number])
                likely = {*votes, factors_between(finer.shape, coarser.shape, ratio)} - {None}
                votes += [
                    step
                    for step in likely
                    if step and geometry.coarse_shape(finer.shape, step) == coarser.shape
                ]
            if not votes:
                raise StoreError(
                    f"{levels[number].name} has lost its record, and nothing else says by which "
                    "factors it was made; build the levels anew"
                )
            chain.append(list(_most(votes)[0]))
        return chain

    @property
    def names(self) -> list[str]:
        """The names of the axes that most documents give them; none where nothing names them."""
        listed = [axis.get("name") for axis in listed_axes(self.pyramid.attributes)]
        arrays = [self.base, *self.arrays.values()]
        voices = [listed, *(list(array.dimension_names or ()) for array in arrays)]
        n_axes = len(self.base.shape)
        whole = [
            tuple(map(str, names))
            for names in voices
            if len({*map(str, names)}) == n_axes == len(names) and all(names)
        ]
        return list(_most(whole)[0]) if whole else []

    def settings(self, method: str, no_data: NoData = ALL_DATA) -> dict[str, Any]:
        """Return the settings that make the pyramid by a method, as a configuration holds them.

        `no_data` is what `nodata` gives.

        Raises
        ------
        StoreError
            If nothing says how some level was made.
        """
        chunks, shards = self._cut
        as_base = self.base.dtype
        dtypes = [form["dtype"] for _, form in self._forms if isinstance(form.get("dtype"), str)]
        return as_settings(
            self.pyramid,
            self.base,
            factors=self.factors,
            method=method,
            no_data=no_data,
            rounding=self.rounding if method == "mean" and not no_data.is_given else EACH,
            weights=self.weights if method == "mean" else "",
            dtype=as_base if METHODS[method].keeps_dtype else (_most(dtypes) or [as_base])[0],
            chunks=chunks,
            shards=shards,
            encoding=self._encoding,
            write_empty=self._writes_empty,
            names=self.names,
            # A build names the dimensions of a level 0 of zarr v3 that names none.
            edits_base=self.base.zarr_format == 2 or self.base.dimension_names is not None,
        )

    def _is_step(self, step: Any) -> bool:
        """Tell whether something gives a number for each axis, as factors and chunks do."""
        is_list = isinstance(step, list) and len(step) == len(self.base.shape)
        return is_list and all(type(number) is int and number > 0 for number in step)

    @cached_property
    def _forms(self) -> list[tuple[int, Record]]:
        """What is said of the form of levels, by their documents and by their records."""
        read = [(number, self.levels[number].form) for number in self.decoded]
        return [*read, *((number, record) for number, record in self.records.items() if record)]

    @property
    def _cut(self) -> tuple[Shape, Shape | None]:
        """The chunks and shards from which most forms follow."""
        arrays = self.arrays

        def as_cut(form: Record) -> tuple[Shape, Shape | None] | None:
            chunks: Any = form.get("chunks")
            shards: Any = form.get("shards")
            if not self._is_step(chunks) or not (shards is None or self._is_step(shards)):
                return None
            if any(outer % inner for outer, inner in zip(shards or chunks, chunks, strict=True)):
                return None
            return tuple(chunks), None if shards is None else tuple(shards)

        def follows(cut: tuple[Shape, Shape | None], number: int, form: Record) -> bool:
            chunks, shards = cut
            if number in arrays and shards is not None:
                shards = geometry.shrunk_shards(shards, chunks, arrays[number].shape)
            return as_cut(form) == (chunks, shards)

        cuts = [cut for _, form in self._forms if (cut := as_cut(form))]
        cuts.append((self.base.chunks, self.base.shards))
        return max(cuts, key=lambda cut: sum(follows(cut, *said) for said in self._forms))

    @property
    def _encoding(self) -> dict[str, Any]:
        """The compressor and checksum by which most levels are encoded."""
        found = [
            encoding_of(self.pyramid, self.base, array, compression)
            for array in map(self.arrays.__getitem__, self.decoded)
        ]
        likeliest = _most(tuple(encoding.items()) for encoding in found if encoding)
        as_base = {"compressor": SAME, "checksum": False}
        if not likeliest or tuple(as_base.items()) in likeliest:  # level 0 votes too
            return as_base
        return dict(likeliest[0])

    @property
    def _writes_empty(self) -> bool:
        """Whether chunks without data are stored, by recipes and by what records say of objects."""
        recipes = [record["recipe"] for record in self.records.values() if "recipe" in record]
        votes = [recipe.get("write_empty_chunks", True) for recipe in recipes]
        votes += [RECORD_ENTRY not in record for record in self.records.values() if record]
        return _most(votes)[0] if votes else True


def _most(votes: Iterable[Choice]) -> list[Choice]:
    """Return the choices that have the most votes, those that were named first before others."""
    counts = Counter(votes)
    return [choice for choice, n in counts.items() if n == max(counts.values())]
