"""What the net makes of test examples before its last layer."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from encore.callbacks.views.drawing import sized
from encore.callbacks.views.examples import pictures_of_test
from encore.callbacks.views.predictions import Predictions, PredictionView, classifies
from encore.callbacks.views.view import viewers

COUNT = 200  # examples
SIDE = 32  # pixels of a thumbnail
MOST = 32  # dimensions: of more, the principal ones


class Embeddings(PredictionView):
    """Show the first 200 test examples in the projector, by the inputs of the net's last linear layer.

    Left out: nets without a linear layer, and compiled ones.
    """

    def on_test_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        super().on_test_start(trainer, task)
        self.points: list[Tensor] = []
        self.hook: Any = None
        net = getattr(task, "net", None)
        layer = head(net) if isinstance(net, nn.Module) else None
        if layer is not None and classifies(task) and viewers(trainer, "show_points"):
            self.hook = layer.register_forward_pre_hook(self.keep)

    def keep(self, layer: nn.Module, given: tuple[Any, ...]) -> None:
        """Keep the inputs of the last layer, [n, dimensions]."""
        if self.missing() and given and isinstance(given[0], Tensor) and given[0].ndim == 2:
            self.points.append(given[0][: self.missing()].detach().float().cpu())

    def missing(self) -> int:
        return COUNT - sum(map(len, self.points))

    def end(self) -> None:
        super().end()
        if getattr(self, "hook", None) is not None:
            self.hook.remove()
            self.hook = None

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        points = torch.cat(self.points).numpy() if self.points else np.empty((0, 0))
        self.points = []
        if not tested.whole or not 2 <= len(points) <= len(tested.truth) or not np.isfinite(points).all():
            return
        names, count = tested.names, len(points)
        labels = [("class", "predicted", "right"), *(
            (names[truth], names[predicted], "right" if truth == predicted else "wrong")
            for truth, predicted in zip(tested.truth[:count].tolist(), tested.predicted[:count].tolist(), strict=True)
        )]  # fmt: skip
        pictures = None
        if tested.indices is not None:
            pictures = pictures_of_test(getattr(trainer, "datamodule", None), tested.indices[:count])
        thumbnails = None if pictures is None else sized(pictures, SIDE)
        for logger in viewers(trainer, "show_points"):
            logger.show_points("test examples", principal(points), labels, thumbnails)


def head(net: nn.Module) -> nn.Linear | None:
    """The last linear layer of a net; None if it has none, or is compiled, which calls no hooks."""
    if any(module._compiled_call_impl is not None for module in net.modules()):
        return None
    return next((module for module in reversed(list(net.modules())) if isinstance(module, nn.Linear)), None)


def principal(points: np.ndarray) -> np.ndarray:
    """Points [n, d] by their 32 principal components at most, from the smaller of their two products."""
    if points.shape[1] <= MOST:
        return points
    centred = (points - points.mean(0)).astype(np.float64)
    if points.shape[1] <= len(points):
        return np.asarray(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -MOST:][:, ::-1])
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return np.asarray(vectors[:, -MOST:][:, ::-1] * np.sqrt(values[-MOST:][::-1].clip(0)))
