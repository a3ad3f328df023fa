from .arrangement import Arranged as Arranged
from .arrangement import arrange as arrange
from .image_input import Block as Block
from .image_input import Input as Input
from .image_input import InputForm as InputForm
from .opening import open_input as open_input
