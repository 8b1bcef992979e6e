"""Distillation: a small net learns from what a large one makes of each example (Hinton et al. 2015)."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encore.config.build import build
from encore.errors import ConfigError, InputError
from encore.models.saved import with_weights
from encore.tasks.classification import Classification

# Targets, and the teacher's logits while the student trains.
Taught = tuple[Tensor, Tensor]


class Distillation(Classification):
    """Train a net by cross-entropy and by the softened probabilities of a teacher.

    Args:
        teacher: `net`, the recipe of the teacher's net, and `file`, its weights, such as a run's checkpoints/best.ckpt.
            It sees the inputs as the student does, augmented and normalised alike.
        temperature: by which both nets' logits are divided.
        share: of the teacher in the loss: share · T² · KL(teacher ‖ student) + (1 - share) · cross-entropy.
        settings: those of `Classification`.
    """

    def __init__(self, teacher: dict, temperature: float = 4.0, share: float = 0.9, **settings: Any) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {share}")
        super().__init__(**settings)
        self.temperature, self.share = temperature, share
        self.teacher, self.held = teacher, tuple[nn.Module, ...]()
        if not teacher.get("file"):
            raise ValueError("teacher.file must name the teacher's weights, such as a run's checkpoints/best.ckpt")

    def rehearse(self, inputs: Any, targets: Any) -> None:
        self.taught_by()
        super().rehearse(inputs, targets)

    def taught_by(self) -> nn.Module:
        """The teacher, read when it is first needed: a trained net is used without."""
        if not self.held:  # in a tuple it is no part of the task, and so in no checkpoint and no count of parameters
            self.held = (taught_before(self.teacher),)
        return self.held[0]

    def aim(self, inputs: Tensor, targets: Tensor) -> Tensor | Taught:
        if not self.training:
            return targets
        with torch.no_grad():
            return targets, self.taught_by().to(inputs.device)(inputs)

    def training_loss(self, outputs: Tensor, targets: Tensor | Taught) -> Tensor:
        if not isinstance(targets, tuple):
            return super().training_loss(outputs, targets)
        right, taught = targets
        if taught.shape != outputs.shape:
            raise ConfigError(
                f"task.teacher.net gives {sizes(taught)} outputs and the model {sizes(outputs)}: a teacher has to know "
                "the same classes"
            )
        soft = F.kl_div(
            (outputs / self.temperature).log_softmax(1),
            (taught / self.temperature).log_softmax(1),
            reduction="batchmean",
            log_target=True,
        )
        return self.share * self.temperature**2 * soft + (1 - self.share) * super().training_loss(outputs, right)

    def truth(self, targets: Tensor | Taught) -> Tensor:
        return super().truth(targets[0] if isinstance(targets, tuple) else targets)


def sizes(outputs: Tensor) -> str:
    return " × ".join(map(str, outputs.shape[1:]))


def taught_before(teacher: dict) -> nn.Module:
    """The teacher's net with its weights, in evaluation mode.

    Raises:
        InputError: its weights cannot be read, or are not those of the net.
    """
    net: nn.Module = build(teacher["net"], what="task.teacher.net", nested=True)
    if not Path(teacher["file"]).is_file():
        raise InputError(f"task.teacher.file={teacher['file']} is no file: name one, such as RUN/checkpoints/best.ckpt")
    try:
        return with_weights(net, teacher["file"]).eval().requires_grad_(False)
    except ValueError as problem:
        raise InputError(f"task.teacher: {problem}") from problem
