"""The table of methods: what a voxel of a coarser level is of its window, and what each can take.

A new method is a row here and a function `reduce_<method>` in `numpy_windows`. The Snakefile checks
a configuration against the table, so that nothing here imports an array library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zarrpyramid import geometry
from zarrpyramid.errors import ConfigError

from .dtypes import ITEM_SIZES, kind_of, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarrpyramid.geometry import Shape

_LABELS = ("bool", "int", "uint")
_ORDERED = (*_LABELS, "float")
_ANY = (*_ORDERED, "complex")

_MEANS_PAY = 1 << 30
_MODES_PAY = 1 << 27
"""Source voxels from which on a level gains more by numba than loading it costs.

Loading takes 0.4 CPU s and 110 MB. It saves 0.2 ms a chunk of 64^3 uint16 beside other work, and
breaks even near 2^29 voxels: 512^3 uint16 with zstd took 1.68 CPU s without numba and 2.02 with it,
1024^3 with blosc-lz4 5.6 and 4.8. Of modes it saves 0.6 ms a chunk.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One method.

    Attributes
    ----------
    equals
        What a voxel is of the voxels in its window; of a window that sticks out at the high edge,
        of those that are there.
    kinds
        Kinds of data type that it takes.
    shifts
        Whether a voxel stands at the centre of its window; else it stands at the first voxel.
    keeps_dtype
        Whether levels have level 0's data type.
    rounds
        Whether it makes means, which are rounded half to even for integers.
    skips
        Whether NaN is left out, and so are numbers that level 0 declares to be no data.
    takes_nodata
        Whether it leaves out what the setting `nodata` gives, as far as `nodata_share` allows.
    mixes
        Whether a voxel may be a number that no voxel of the window stands for, so that ids of
        labels would be mixed.
    for_labels
        Whether it is meant for labels, so that its levels hold some.
    check
        What a block must share with the voxels that it was made from; see `check.disagreement`:
        "mean", "sum", "least", "largest", "within" for extremes, or "nothing".
    numba_from
        Source voxels from which on a level loads the compiled form; None where there is none.
    instead
        The way out for a kind that it does not take.
    """

    equals: str
    kinds: tuple[str, ...]
    shifts: bool = True
    keeps_dtype: bool = True
    rounds: bool = False
    skips: bool = False
    takes_nodata: bool = False
    mixes: bool = False
    for_labels: bool = False
    check: str = "within"
    numba_from: int | None = None
    instead: str = "mean, sum or stride"


METHODS = {
    "mean": Method(
        equals="their exact mean",
        kinds=_ANY,
        takes_nodata=True,
        mixes=True,
        rounds=True,
        check="mean",
        numba_from=_MEANS_PAY,
    ),
    "nanmean": Method(
        equals="the mean of those that are not NaN or no data, one of these if all are",
        kinds=_ORDERED,
        skips=True,
        mixes=True,
        rounds=True,
        check="mean",
        numba_from=_MEANS_PAY,
    ),
    "sum": Method(
        equals="their sum, in a dtype with room for it",
        kinds=_ANY,
        mixes=True,
        keeps_dtype=False,
        check="sum",
    ),
    "min": Method(
        equals="the least that is not NaN or no data, one of these if all are",
        kinds=_ORDERED,
        skips=True,
        takes_nodata=True,
        check="least",
    ),
    "max": Method(
        equals="the largest that is not NaN or no data, one of these if all are",
        kinds=_ORDERED,
        skips=True,
        takes_nodata=True,
        check="largest",
    ),
    "median": Method(
        equals="the middle one in order, the lower of two for an even count; NaN if any is",
        kinds=_ORDERED,
        takes_nodata=True,
        mixes=True,
    ),
    "mode": Method(
        equals="the most frequent value, the smallest of equally frequent ones",
        kinds=_LABELS,
        for_labels=True,
        numba_from=_MODES_PAY,
        instead="median, mean or stride",
    ),
    "mode_nonzero": Method(
        equals="the most frequent value that is not 0, ties to the smallest; 0 if all are 0",
        kinds=_LABELS,
        for_labels=True,
        numba_from=_MODES_PAY,
        instead="median, mean or stride",
    ),
    "stride": Method(equals="the first voxel", kinds=_ANY, shifts=False),
}
"""Min, max and median take minus zero as less than zero. NaN is always written as the one quiet NaN
that numpy casts to, except by stride, which copies bits."""


def level_dtype(
    image: str, method: str, dtype: str, given: str | None, shape: Shape, ladder: Sequence[Shape]
) -> str:
    """Return the data type of levels 1 to N for a method and the data type of level 0.

    `dtype` and `shape` are level 0's, `ladder` the factors of each level. `given` is what the
    configuration asks for; None for that of level 0.

    Raises
    ------
    ConfigError
        If the method does not take level 0's type, or makes numbers that the asked one may not
        hold.
    """
    known = METHODS[method]
    if kind_of(dtype) not in known.kinds:
        instead = known.instead if kind_of(dtype) != "complex" else METHODS["mean"].instead
        raise ConfigError(
            f"image {image}: method {method} does not take level 0's dtype {dtype}, "
            f"expected {', '.join(known.kinds)}; choose {instead}"
        )
    if not known.keeps_dtype and ladder:  # without a level nothing is summed
        return _sum_dtype(image, dtype, given or dtype, shape, ladder)
    if known.keeps_dtype and given not in (None, dtype):
        raise ConfigError(
            f"image {image}: dtype {given} is only for method sum, {method} keeps level 0's "
            f"{dtype}; leave dtype out, or choose method sum"
        )
    return given or dtype


def _sum_dtype(image: str, dtype: str, wanted: str, shape: Shape, ladder: Sequence[Shape]) -> str:
    """Return the type of sums, if it holds those of the last level, of whatever voxels."""
    covered = _largest_windows(shape, ladder)
    kind, wanted_kind = kind_of(dtype), kind_of(wanted)
    if kind in ("float", "complex"):
        wide = "float32" if dtype == "float16" else dtype  # the largest float16 is 65504
        if wanted_kind != kind or ITEM_SIZES[wanted] < ITEM_SIZES[wide]:
            raise ConfigError(
                f"image {image}: method sum of level 0's {dtype} takes {wide} or wider {kind} "
                f"types, found {wanted}; give dtype: {wide}"
            )
        return wanted
    if _holds(wanted, dtype, covered[-1]):
        return wanted
    least, largest = limits(dtype)
    bound = largest if largest > -least else least
    where = f"image {image}: method sum may overflow {wanted}: a voxel of level {len(covered)} " + (
        f"adds up to {covered[-1]} voxels of {dtype} and may reach {bound * covered[-1]}"
    )
    sums = "int" if least < 0 else "uint"
    fitting = [f"{sums}{bits}" for bits in (8, 16, 32, 64)]
    for name in fitting:
        if _holds(name, dtype, covered[-1]):
            raise ConfigError(f"{where}; give dtype: {name}")
    n_levels = sum(_holds(fitting[-1], dtype, n_voxels) for n_voxels in covered)
    if n_levels:
        raise ConfigError(f"{where}, which no dtype holds; give levels: {n_levels} with dtype: "
                          f"{fitting[-1]}")  # fmt: skip
    raise ConfigError(f"{where}, which no dtype holds; choose mean, or a level 0 of a narrower one")


def _largest_windows(shape: Shape, ladder: Sequence[Shape]) -> list[int]:
    """Return, for each level, the voxels of level 0 that a voxel of it covers at most."""
    downsampling: Shape = (1,) * len(shape)
    covered = []
    for factors in ladder:
        downsampling = geometry.multiply(downsampling, factors)
        covered.append(geometry.count(tuple(map(min, downsampling, shape))))
    return covered


def _holds(wanted: str, dtype: str, n_voxels: int) -> bool:
    """Tell whether a type holds the sum of so many voxels of an integer type, exactly."""
    if kind_of(wanted) not in ("int", "uint", "float"):
        return False
    (least, largest), (lower, upper) = limits(dtype), limits(wanted)
    return lower <= least * n_voxels and largest * n_voxels <= upper
