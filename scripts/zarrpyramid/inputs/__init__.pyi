from .arrangement import arrange as arrange
from .image_input import Input as Input
from .opening import open_input as open_input
