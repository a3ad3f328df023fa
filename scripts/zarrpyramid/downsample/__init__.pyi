from .base import (
    seal_base as seal_base,
)
from .base_copy import (
    copy_base as copy_base,
)
from .job import (
    LevelJob as LevelJob,
)
from .job import (
    level_task as level_task,
)
from .leftovers import (
    remove_litter as remove_litter,
)
from .level import (
    build_level as build_level,
)
from .level import (
    digest_header as digest_header,
)
from .level import (
    make_level as make_level,
)
from .log import (
    failures as failures,
)
from .log import (
    job_log as job_log,
)
from .log import (
    warn_to_stderr as warn_to_stderr,
)
from .parts import (
    build_part as build_part,
)
from .parts import (
    gather_level as gather_level,
)
from .parts import (
    open_level as open_level,
)
from .progress import (
    Progress as Progress,
)
from .publish import (
    publish_level as publish_level,
)
from .publish import (
    remove_left_overs as remove_left_overs,
)
from .publish import (
    withdraw_levels as withdraw_levels,
)
from .publish import (
    write_multiscales as write_multiscales,
)
from .pyramid import (
    base_taken as base_taken,
)
from .pyramid import (
    clean as clean,
)
from .pyramid import (
    find_image as find_image,
)
from .pyramid import (
    n_cores as n_cores,
)
from .pyramid import (
    open_path as open_path,
)
from .result import (
    BlockResult as BlockResult,
)
from .result import (
    count_chunk as count_chunk,
)
from .run import (
    run_blocks as run_blocks,
)
from .stale import (
    write_owner as write_owner,
)
from .stale import (
    write_source as write_source,
)
from .start import (
    Mode as Mode,
)
from .start import (
    Start as Start,
)
from .synthetic import (
    make_test_image as make_test_image,
)
from .synthetic import random_array as random_array
from .synthetic import store_array as store_array
from .task import (
    LevelTask as LevelTask,
)
