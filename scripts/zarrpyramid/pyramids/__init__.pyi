from .level import Level as Level
from .making import build_pyramid as build_pyramid
from .making import open_pyramid as open_pyramid
from .pyramid import Pyramid as Pyramid
