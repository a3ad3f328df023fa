"""Proof and repair of a pyramid that stands in a store, whoever made it.

`read_pyramid` reads the documents of a group into a `Pyramid`, the one model of a pyramid that is
there. `verify_pyramid` yields checks and `Finding`s of it, `repair_pyramid` mends one that
zarrpyramid made, `reproduce` prints the configuration that makes it again, and `pyramid_status`
lists its levels without a verdict. The report and the viewers read the same model. Read in order:

1. `pyramid` and `findings`: the model, and what is reported of it.
2. `verify`: the recipe, which calls all checks in turn.
3. Documents: `documents` and `consolidation`; `origins` tells what a level was made from. `ngff`
   has the rules of the specification for an image: `versions`, `axes`, `datasets`, `systems`
   (of 0.6), `display` and `labels`, by the forms in `entries`. `collection` reads plates and other
   groups of images, by the rules in `plates`.
4. Objects: `objects`; `absent` tells which levels are not there at all.
5. Voxels: `sampling` chooses blocks. `copied` checks a level 0 that was made of files, `voxels`
   levels made here, by the task in `comparison` that makes blocks again (`rounding`: which one, as
   for levels that are rounded once; `weighing`: with which weights). `foreign` checks levels of
   other programs by two tasks over `boxes`: the one in `explanation` tries the methods in
   `candidates` and counts in `fits`, the one in `neighbourhood` gathers `evidence` for what no
   method explains. `faults` says what follows.
6. `votes` says what most documents say, `planned` holds each of them against it. `repair` mends
   by it, and by `base_entry` and `base_document` what is said of level 0; `ways_out` names the
   command that does so, or builds with the settings that documents tell; `reproduction`, `status`.
7. `archive`: the bytes of a store in a single file.
8. `array_digest` reads any array alone, or two, without a pyramid.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
