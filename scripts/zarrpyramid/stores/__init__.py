"""Bytes by key: a folder, a single file, an object store, a web server, behind one class `Store`.

What stores differ in (links, versions, listing, requests at once, locks) is a property or a method
of `Store`, so that no other package asks what kind of store it has. Others take from here
`open_store` for a path or a URL, `from_zarr` for a store object of zarr-python, the checks of URLs
and options, and the hold of a run on an image.

Read `store` first, with `stored_object` for what is read in pieces. Then `local` with `files` and
`links`, `object_store` (S3, Google, Azure) with `object_client`, `object_errors` and `answers`,
which are kept while a block runs, `web` (http, only read), `archive_store` (a zip archive, which
`archive` reads and `archive_writer` writes) and `zarr_store` (what zarr-python has opened). `place`
opens a store, `urls` says which URLs and options are accepted, `image_files` what a file of another
format is that is given as one. `hold` keeps an image for one run, whose process `holder` describes;
`probe` proves that a worker sees the same objects.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
