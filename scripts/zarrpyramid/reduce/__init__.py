"""The arithmetic on voxels in memory: what one voxel of a coarser level is made of.

`reduce_windows` fills a block with what a method makes of the windows of another; `describe` and
`chunk_digest` say what a block holds; `disagreement` checks one against the other. `METHODS` is the
table of methods. A new method is a row in it and a function `reduce_<method>` in `numpy_windows`.
Read in this order:

1. `methods`, `dtypes` and `no_data`: tables and rules without numpy, for planning.
2. `windows`: one door to all methods; `pieces` cuts a block so that all windows have one shape.
3. `mean` and `numpy_windows`: the methods in numpy; `networks` sorts for the median and the modes;
   `known_windows` leaves out voxels that are no data.
4. `exact_mean`: the mean that is rounded once, of all voxels of level 0 below a voxel; `nibbles`
   packs what rounding left at level 1; `weighted_mean`: the mean weighed by another block.
5. `numba_mean`, `numba_once` and `numba_windows`: the means, nanmean and the modes again, compiled,
   with the same bits; `loading` compiles them in a thread, and only levels so large that it pays
   ask for it.
6. `moments`, `voxel_digest` and `check`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
