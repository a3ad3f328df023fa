"""What a user can act on; every other exception is a bug.

Each error is also the builtin that describes it, so that code which knows nothing of this package
catches it as well. A message is one line: which image, level or key; what was expected; what was
found; and the way out.
"""


class PyramidError(Exception):
    """Base of all errors that a user can act on."""


class ConfigError(PyramidError, ValueError):
    """A setting cannot be taken as it stands."""


class GeometryError(PyramidError, ValueError):
    """Shapes, chunks and factors do not fit together."""


class MetadataError(PyramidError, ValueError):
    """A zarr metadata document is damaged, or describes what this package does not serve."""


class StoreError(PyramidError, OSError):
    """A store, group or array is absent, foreign or cannot be read or written."""


class VoxelError(PyramidError, RuntimeError):
    """Voxels contradict what was recorded or computed of them."""


class WorkerError(PyramidError, RuntimeError):
    """A process that worked for this one is gone."""


def missing_message(what: str) -> str:
    """Return the line about an object that is not there where all must be."""
    return (
        f"{what} is missing, expected all objects of level 0 by missing_chunks: error; restore it "
        "from a copy, or set missing_chunks: fill to have it read as fill value"
    )
