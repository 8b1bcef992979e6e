"""Examples as pictures, where they are any."""

from typing import Any

import numpy as np
from torch import Tensor

from encore.callbacks.views.drawing import as_bytes
from encore.data.module import DataModule
from encore.data.sources import ArraySource, MapSource


def picture_shape(data: Any) -> tuple[int, ...] | None:
    """[channels, height, width] of the examples of Encore's data module; None if they are no pictures."""
    shape = data.recipe["shape"] if isinstance(data, DataModule) else None
    if not isinstance(shape, list) or len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < 2:
        return None
    return tuple(shape)


def pictures_of_test(data: Any, indices: Tensor) -> np.ndarray | None:
    """Test examples before normalisation, uint8 [k, h, w, 3]; None if they are no pictures."""
    if picture_shape(data) is None or not len(indices):
        return None
    source = data.opened_test()
    if not isinstance(source, ArraySource | MapSource):
        return None
    return as_bytes(source.read(indices.tolist()).numpy())


def denormalised(data: Any, inputs: Tensor) -> np.ndarray:
    """Inputs [k, *shape] in the values that the examples had before normalisation."""
    values: np.ndarray = (inputs / data.normalize.scale + data.normalize.center).numpy()
    return values


def bounds(data: Any, values: np.ndarray) -> tuple[float, float]:
    """The values that are black and white: of bytes 0 and 255, else the least and the greatest."""
    held = data.source.read([0])
    return (float(values.min()), float(values.max())) if held.is_floating_point() else (0.0, 255.0)
