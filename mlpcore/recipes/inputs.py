"""What goes into a network: the type, the shape and the scale of one image or of one point."""

import math
from dataclasses import dataclass
from typing import Literal

NUMBER_BYTES = {"uint8": 1, "float32": 4}


@dataclass(frozen=True)
class InputSpec:
    """The numbers of one example as a data set keeps them, channels first: a point has two channels of one number.

    A network gets them as float32, with the mean of each channel subtracted and divided by its standard deviation over
    the training set. Both are measured in units of `scale`, which stands for 1: 255 for a pixel.
    """

    dtype: Literal["uint8", "float32"]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers an example has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """The memory of an example."""
        return self.size * NUMBER_BYTES[self.dtype]

    @property
    def scale(self) -> float:
        """What stands for 1."""
        return 255.0 if self.dtype == "uint8" else 1.0


IMAGE = InputSpec("uint8", (3, 32, 32))
GREY_IMAGE = InputSpec("uint8", (1, 28, 28))
POINT = InputSpec("float32", (2,))
