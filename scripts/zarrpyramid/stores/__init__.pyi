from .files import (
    TEMPORARY_SUFFIX as TEMPORARY_SUFFIX,
)
from .files import (
    write_aside as write_aside,
)
from .lock import (
    Hold as Hold,
)
from .lock import (
    held as held,
)
from .lock import (
    release_hold as release_hold,
)
from .lock import (
    take_hold as take_hold,
)
from .lock import (
    unlock as unlock,
)
from .place import (
    open_store as open_store,
)
from .probe import (
    Probe as Probe,
)
from .probe import (
    laid_probe as laid_probe,
)
from .store import (
    Store as Store,
)
from .urls import (
    as_arguments as as_arguments,
)
from .urls import (
    check_options as check_options,
)
from .urls import (
    check_url as check_url,
)
from .urls import (
    is_url as is_url,
)
from .zarr_store import (
    as_path as as_path,
)
from .zarr_store import (
    from_zarr as from_zarr,
)
from .zarr_store import (
    memory_store as memory_store,
)
from .zarr_store import (
    path_inside as path_inside,
)
from .zarr_store import (
    to_zarr as to_zarr,
)
