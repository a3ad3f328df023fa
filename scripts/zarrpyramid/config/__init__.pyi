from .config import (
    DeclaredBase as DeclaredBase,
)
from .config import (
    Factors as Factors,
)
from .config import (
    ImageConfig as ImageConfig,
)
from .config import (
    TestImage as TestImage,
)
from .config import (
    check_config as check_config,
)
from .config import (
    check_names as check_names,
)
from .config import (
    group_path as group_path,
)
from .config import (
    image_config as image_config,
)
from .config import (
    image_configs as image_configs,
)
from .config import (
    options_for as options_for,
)
from .config import (
    read_config as read_config,
)
from .config import (
    restore as restore,
)
from .config import (
    short_name as short_name,
)
from .config import (
    to_yaml as to_yaml,
)
