"""The recipe: each level is averaged from the level before it, and published when it is whole.

Rule ``downsample_level`` runs ``scripts/downsample_level.py``, which calls `build_level`. Read on
in these files, each from its top: ``level`` opens both levels once (``job``, ``level_job``), runs
the tasks, and writes the level's document last of all; ``task`` makes a few stored objects: it
reads their source chunks from the shared zarr store, averages them by `reduce_and_describe`,
checks, encodes and writes (``layout`` and ``missing`` say which chunks, ``result`` is what it saw,
``value_counts`` how often each value occurs, for contrast windows; ``once_task`` rounds means once,
``weighted_task`` weighs them, ``shared_task`` makes levels of ``companions`` too, of chunks in
``held``); ``run`` spreads the tasks over cores, or over a dask cluster of the user (``cluster``) or
by what dask ``scheduler`` the user has set. ``garbage`` is not searched for meanwhile.

A level of more than 8 tasks is run over worker processes (``workers``; ``kept_workers`` stay for
all levels of a pyramid), or on the user's dask cluster; a smaller one by threads. dask spreads more
than 64 tasks: to import it costs as much as 50. numba is loaded where the source has 2^30 voxels or
more, and costs 0.4 CPU s; until then numpy gives the same bits (docs/design/0005 and 0014).

Then: ``opening`` and ``parts`` (a level made by many jobs), ``publish`` (documents and list),
``resume``, ``notes`` and ``leftovers`` (what a killed run made is kept), ``stale`` (sentinels held
against the store), ``withdrawal`` (results that say too much), ``base`` and ``base_copy`` (level
0), ``base_job`` and ``base_task`` (of files of other formats), ``made_from`` (what notes say of
sources), ``pyramid`` (all in one process), ``batch`` (many small images in one job), ``start``
(what a run does before its first job), ``given`` (what a rule hands to a job), ``synthetic``
(images that are made), ``codec_trial`` (what codecs make of an image's voxels), ``progress``,
``log``, and ``ended_jobs`` (what logs tell of them).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
