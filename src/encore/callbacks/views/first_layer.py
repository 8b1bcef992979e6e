"""What the first layer looks for."""

import numpy as np
import pytorch_lightning as pl
from torch import Tensor, nn

from encore.callbacks.views.drawing import BLUE, ORANGE, PAPER, as_bytes, sized, tiles
from encore.callbacks.views.examples import picture_shape
from encore.callbacks.views.view import View, last_step, show, viewers

COUNT, COLUMNS, SIDE = 64, 8, 48
SHADES = 6  # of each colour


class FirstLayer(View):
    """Show the weights of the first layer as pictures, after the last step.

    They are those of a linear layer that reads whole pictures, or of a convolution with one or three input channels:
    blue is positive, orange negative; colours where the examples have colours. Other nets are left out.
    """

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not viewers(trainer, "show_image"):
            return
        weights = first_weights(task, picture_shape(getattr(trainer, "datamodule", None)))
        if weights is None:
            return
        some = weights[:COUNT].detach().float().cpu().numpy()
        title = f"First layer: {len(some)} of {len(weights)} units" if len(weights) > len(some) else "First layer"
        show(trainer, "show_image", "net/first_layer", tiles(coloured(some), COLUMNS, title), last_step(trainer))


def first_weights(task: nn.Module, shape: tuple[int, ...] | None) -> Tensor | None:
    """The weights of the first layer as pictures, [units, channels, h, w]; None if they are none."""
    layer = next((module for module in task.modules() if isinstance(module, nn.Linear | nn.Conv2d)), None)
    if isinstance(layer, nn.Conv2d):
        kernels = layer.weight
        return kernels if kernels.shape[1] in (1, 3) and min(kernels.shape[2:]) > 1 else None
    if layer is None or shape is None or layer.in_features != np.prod(shape):
        return None
    return layer.weight.reshape(-1, *shape)


def coloured(weights: np.ndarray) -> np.ndarray:
    """Weights [k, channels, h, w] as uint8 [k, h, w, 3], all on one scale with 0 in its middle, without outliers."""
    largest = float(np.quantile(np.abs(np.nan_to_num(weights)), 0.995)) or 1.0
    if weights.shape[1] == 3:
        return sized(as_bytes(weights, -largest, largest), SIDE)
    share = np.nan_to_num(weights[:, 0] / largest)[..., None].clip(-1, 1)
    share = np.round(share * SHADES) / SHADES  # noise of a few shades is a fraction of the bytes
    hues = np.where(share > 0, np.array(BLUE), np.array(ORANGE))
    return sized((PAPER + np.abs(share) * (hues - PAPER)).astype(np.uint8), SIDE)
