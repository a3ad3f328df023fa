from .axes import (
    times as times,
)
from .axes import (
    voxel_size as voxel_size,
)
from .base_objects import (
    MOST_COUNTED as MOST_COUNTED,
)
from .base_objects import (
    BaseLayout as BaseLayout,
)
from .base_objects import (
    base_form as base_form,
)
from .base_objects import (
    base_layout as base_layout,
)
from .base_objects import (
    base_record as base_record,
)
from .base_objects import (
    missing_objects as missing_objects,
)
from .base_objects import (
    source_layout as source_layout,
)
from .base_objects import (
    watched_by as watched_by,
)
from .conflicts import (
    check_base_place as check_base_place,
)
from .conflicts import (
    check_place as check_place,
)
from .conflicts import (
    check_places as check_places,
)
from .conflicts import (
    is_taken as is_taken,
)
from .conflicts import (
    left_overs as left_overs,
)
from .conflicts import (
    taken_as as taken_as,
)
from .current import (
    expected_objects as expected_objects,
)
from .current import (
    follows_recipe as follows_recipe,
)
from .current import (
    why_incomplete as why_incomplete,
)
from .current import (
    why_remade as why_remade,
)
from .cut import (
    BLOCK_BYTES as BLOCK_BYTES,
)
from .cut import (
    FEW as FEW,
)
from .cut import (
    compiled_pays as compiled_pays,
)
from .cut import (
    is_aligned as is_aligned,
)
from .cut import (
    shared_block_bytes as shared_block_bytes,
)
from .cut import (
    spread_threads as spread_threads,
)
from .cut import (
    task_bytes as task_bytes,
)
from .cut import (
    task_extents as task_extents,
)
from .image import (
    Image as Image,
)
from .image import (
    check_declared as check_declared,
)
from .image import (
    open_image as open_image,
)
from .levels import (
    VOXEL_REVISION as VOXEL_REVISION,
)
from .levels import (
    LevelPlan as LevelPlan,
)
from .levels import (
    describe_level as describe_level,
)
from .levels import (
    made_base as made_base,
)
from .levels import (
    provenance as provenance,
)
from .needs import (
    MOST_IDS as MOST_IDS,
)
from .needs import (
    expectation as expectation,
)
from .needs import (
    level_timings as level_timings,
)
from .needs import (
    peak_memory as peak_memory,
)
from .needs import (
    read_timing as read_timing,
)
from .preflight import (
    check_room as check_room,
)
from .preflight import (
    forecast as forecast,
)
from .run import (
    Job as Job,
)
from .run import (
    Run as Run,
)
from .run_image import (
    RunImage as RunImage,
)
from .source import (
    BASE_KEY as BASE_KEY,
)
from .source import (
    COPY_KEY as COPY_KEY,
)
from .source import (
    SEEN_KEY as SEEN_KEY,
)
from .source import (
    Source as Source,
)
from .source import (
    trust_linked_base as trust_linked_base,
)
from .stored import (
    LITTER_KEY as LITTER_KEY,
)
from .stored import (
    OBJECT_KEY as OBJECT_KEY,
)
from .stored import (
    Level as Level,
)
from .stored import (
    our_levels as our_levels,
)
from .stored import (
    record_of as record_of,
)
from .stored import (
    stored_objects as stored_objects,
)
