from .bases import (
    DeclaredBase as DeclaredBase,
)
from .bases import (
    TestImage as TestImage,
)
from .files import (
    read_config as read_config,
)
from .files import (
    to_yaml as to_yaml,
)
from .image import (
    image_config as image_config,
)
from .image import (
    restore as restore,
)
from .keywords import (
    Keywords as Keywords,
)
from .names import (
    check_names as check_names,
)
from .names import (
    group_path as group_path,
)
from .names import (
    short_name as short_name,
)
from .run import (
    check_config as check_config,
)
from .run import (
    image_configs as image_configs,
)
from .run import (
    options_for as options_for,
)
from .schema import (
    takes_settings as takes_settings,
)
from .settings import (
    KEYWORDS as KEYWORDS,
)
from .settings import (
    Factors as Factors,
)
from .settings import (
    ImageConfig as ImageConfig,
)
