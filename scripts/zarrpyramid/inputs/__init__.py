"""Images in files of other formats, which level 0 is made from; nothing here knows zarr.

`open_input` finds the reader of a source, and `arrange` gives what it opens the order of axes that
level 0 has.

Read `image_input` first (what every reader gives), then `npy` (the shortest reader), `opening`
(which reader is taken) and `arrangement` (crop, channels, order of axes). Every other module reads
one format by the library of its field, which it imports when the format is asked for:

1. `hdf5` by h5py, with `hdf5_contents` (which dataset is meant), `hdf5_axes` (what it says of its
   axes) and `hdf5_parts` (what of it lies in other files); `imaris`, which is HDF5 too.
2. `nifti` by nibabel and `mrc` by mrcfile, whose voxels lie one after the other: `raw_array` reads
   those, `gzip_stream` where they are compressed.
3. `tiff` by tifffile (a folder, a pattern or a file), with `slice_names` (order, missing numbers),
   `tiff_file` (the series of one file), `tiff_checks` (truncation), `tiff_page` and `tiff_header`
   (one page), `tiff_scale` (voxel size, channels), `tiff_axes`; `raw_files` reads voxels by offset.
4. `n5`, with `n5_metadata` (its attributes) and `n5_blocks` (its blocks), of the codecs of
   numcodecs.
5. `bioio_file`: what bioio and its readers read, among it CZI, ND2 and LIF.

`rows` cuts arrays without blocks of their own, `units` knows what files write for units.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
