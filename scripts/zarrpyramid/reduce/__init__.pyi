from .check import (
    SourceSums as SourceSums,
)
from .check import (
    disagreement as disagreement,
)
from .dtypes import (
    ITEM_SIZES as ITEM_SIZES,
)
from .dtypes import (
    kind_of as kind_of,
)
from .dtypes import (
    parse_fill as parse_fill,
)
from .dtypes import (
    spell_fill as spell_fill,
)
from .loading import (
    compiled_is_ready as compiled_is_ready,
)
from .loading import (
    load_compiled as load_compiled,
)
from .methods import (
    METHODS as METHODS,
)
from .methods import (
    level_dtype as level_dtype,
)
from .moments import (
    Moments as Moments,
)
from .moments import (
    describe as describe,
)
from .voxel_digest import (
    chunk_digest as chunk_digest,
)
from .windows import (
    reduce_and_describe as reduce_and_describe,
)
from .windows import (
    reduce_windows as reduce_windows,
)
