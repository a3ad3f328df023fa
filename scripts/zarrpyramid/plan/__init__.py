"""What a run will make, worked out as integers before a voxel is read.

It gives the Snakefile the run with its images, and jobs the levels as they stand in the store. No
module imports an array library, so that parsing costs nothing.

Read ``run`` (what rules ask, answered by ``run_image``; ``run_images`` makes those of a container
from its ``members``, and ``run_batches`` puts small ones together in ``batches``), ``levels`` (the
plan of all levels, by ``version``, ``axes`` and ``axis_order``, ``chunks``, ``factors``,
``ladder``, ``labels``, ``compressor``, ``no_data``, ``remainders`` and ``weights``; a ``decision``
says what was chosen and why; images that are ``alike`` share a plan), ``image`` (an image found in
its store and planned; ``base_place`` where level 0 stands in it, ``source`` where it is copied
from, which ``taken`` plans: ``input_source`` what files of other formats it is made of, in
``slabs``, ``input_base`` that level 0, ``input_decisions`` what was decided of it, and
``zarr_input`` a part of a zarr array), ``companion`` (the same image by other methods), ``stored``
(a level as it stands there, opened once) and ``current`` (whether it has to be made again, or has
only to grow: ``growth``; ``weights_level`` is the level of another image that weighs it). Then
``cut`` (tasks and parts), ``base_objects`` (level 0 looked at without reading it), ``lost``
(what is gone of it), ``conflicts`` (what may not be overwritten), ``foreign`` (levels of others in
the list), ``needs`` (memory, time and disk of each job), ``preflight`` and ``room_of_all`` (whether
there is room), ``forecasts`` (what a run makes and needs, to be shown) and ``astray`` (what a user
may mean that is elsewhere).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
