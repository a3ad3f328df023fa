from .dataset import load_pyramid as load_pyramid
from .sampling import sample_fields as sample_fields
from .viewer_copy import write_viewer_field as write_viewer_field
