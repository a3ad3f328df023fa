from .local import (
    TEMPORARY_SUFFIX as TEMPORARY_SUFFIX,
)
from .local import (
    LocalStore as LocalStore,
)
from .local import (
    Store as Store,
)
from .local import (
    write_aside as write_aside,
)
from .object_store import (
    ObjectStore as ObjectStore,
)
from .object_store import (
    as_arguments as as_arguments,
)
from .object_store import (
    check_options as check_options,
)
from .object_store import (
    check_url as check_url,
)
from .object_store import (
    is_url as is_url,
)
from .web import (
    open_url as open_url,
)
