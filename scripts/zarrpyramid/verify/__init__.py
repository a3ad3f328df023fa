"""Proof and repair of a pyramid that stands in a store, whoever made it.

`find_pyramid` reads the documents of a group into a `Pyramid`, the one model of a pyramid that is
there; `verify_pyramid` yields `Check` and `Finding` of it, `repair_pyramid` mends one that
zarrpyramid made, and `reproduce` prints the configuration that makes it again. The report and the
viewers take the model and the findings from here. Read in this order:

1. `pyramid` and `findings`: the model, and what is said of it.
2. `verify`: the recipe, which calls all checks in turn.
3. Documents: `documents`, `ngff` (the specification), `placement` (scale and translation),
   `consolidation`; `origins` tells what a level was made from.
4. Objects: `objects`.
5. Voxels: `sampling` chooses blocks; `voxels` checks levels made here by `comparison`, the task
   that makes blocks again; `foreign` checks those of other programs by `explanation`, the task that
   tries `candidates`.
6. `repair` and `reproduce`; `status`, a table of the levels without a verdict.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
