"""Learning from a stream: each batch is predicted first and then learned from, with some of what came before it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from encore.tasks.batches import detached
from encore.tasks.classification import Classification


class Streaming(Classification):
    """Classification of examples that are read once.

    Args:
        shape: of an input.
        replay: examples that are remembered, a uniform sample of all that were read (reservoir sampling, Vitter 1985);
            as many as a batch has are drawn of them and learned from along with it. 0: none.
        settings: those of `Classification`.

    Targets are `label` and `task`, int64 [n] each. What is remembered is in buffers, and so in the checkpoint. Tables:
    `train/prequential`, the share of each batch that was right before it was learned from (Dawid 1984), and
    `val/matrix`, each task's validation accuracy (columns) after each epoch (rows).
    """

    resumes_within_epochs = True

    memory: Tensor
    labels: Tensor
    read: Tensor

    def __init__(self, shape: Sequence[int], replay: int = 0, **settings: Any) -> None:
        if replay < 0:
            raise ValueError(f"replay must be at least 0, not {replay}")
        super().__init__(**settings)
        self.replay = replay
        self.register_buffer("memory", torch.zeros(replay, *shape))
        self.register_buffer("labels", torch.zeros(replay, dtype=torch.long))
        self.register_buffer("read", torch.zeros((), dtype=torch.long))
        self.right: list[Tensor] = []

    def aim(self, inputs: Any, targets: Any) -> Tensor:
        """Classes and tasks, [n, 2]."""
        return torch.stack([targets["label"], targets["task"]], 1)

    def truth(self, targets: Tensor) -> Tensor:
        return targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs, targets[:, 0])

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().training_loss(outputs, targets[:, 0])

    def training_step(self, batch: Any, batch_index: int) -> dict[str, Tensor]:
        inputs, targets = batch[0], self.aim(*batch)
        outputs = self.forward(inputs)
        self.right.append((outputs.detach().argmax(1) == targets[:, 0]).float().mean())
        self.train_tally.update(self.loss(detached(outputs), targets), detached(outputs), targets, len(inputs))
        held = min(int(self.read), self.replay)
        if held:
            drawn = torch.randint(held, (len(inputs),), device=inputs.device)
            outputs = torch.cat([outputs, self.forward(self.memory[drawn])])
            again = torch.stack([self.labels[drawn], torch.zeros_like(drawn)], 1)  # their task is of no account
            loss = self.objective(outputs, torch.cat([targets, again]))
        else:
            loss = self.objective(outputs, targets)
        self.remember(inputs, targets[:, 0])
        return {"loss": loss, "batch_loss": loss.detach()}

    def remember(self, inputs: Tensor, labels: Tensor) -> None:
        """Put examples into the memory, so that each one read so far is in it with the same probability."""
        if self.replay:
            before = int(self.read)
            for place, number in enumerate(range(before, before + len(inputs))):
                slot = number if number < self.replay else int(torch.randint(number + 1, ()))
                if slot < self.replay:
                    self.memory[slot], self.labels[slot] = inputs[place], labels[place]
        self.read += len(inputs)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        if not self.trainer.sanity_checking and self.trainer.state.fn == "fit":
            row = self.tables.pop("val/by_task")[None]
            before = self.tables.get("val/matrix", row[:0])
            self.tables["val/matrix"] = torch.cat([before, row])

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.tables.pop("train/by_task", None)
        self.tables["train/prequential"] = torch.stack(self.right).cpu()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["right"] = torch.stack(self.right).cpu() if self.right else torch.zeros(0)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.right = list(checkpoint.get("right", ()))
