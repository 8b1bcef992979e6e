"""Named arrays under Lightning's own Trainer: an epoch is entered where a checkpoint left it."""

import pytest
import pytorch_lightning as pl
import torch
from own import flat, recipe
from test_own_data import masks, packed, tokens

from encore.data.augment.flip import Flip
from encore.data.module import DataModule
from encore.seeding import derive, seed_generators

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


class Mean(pl.LightningModule):
    """Embeds what it is given by name, and notes what it was given."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.table, self.convolution = torch.nn.Embedding(100, 2), torch.nn.Conv2d(3, 2, 1)
        self.seen, self.stop_at, self.flip = [], stop_at, Flip(0.5, ["inputs", "targets"])

    def forward(self, image=None, input_ids=None, attention_mask=None, tokens=None, tokens_offsets=None):
        if image is not None:
            return self.convolution(image)
        if tokens is not None:
            return torch.nn.functional.embedding_bag(tokens, self.table.weight, tokens_offsets)
        words = self.table(input_ids) * attention_mask[:, :, None]
        return words.sum(1) / attention_mask.sum(1, keepdim=True)

    def training_step(self, batch, index):
        seed_generators(derive(0, self.current_epoch, index), self.device)
        inputs, targets = batch
        if not isinstance(inputs, dict):
            inputs, targets = self.flip(inputs, targets)
        self.seen.append((self.current_epoch, index, [part.clone() for part in flat((inputs, targets))]))
        if self.stop_at == len(self.seen):
            self.trainer.save_checkpoint(self.trainer.default_root_dir + "/stopped.ckpt")
            raise KeyboardInterrupt
        outputs = self(**inputs) if isinstance(inputs, dict) else self(inputs)
        return torch.nn.functional.cross_entropy(outputs, targets)

    def validation_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("kind", [tokens, packed, masks])
def test_a_run_that_is_stopped_within_an_epoch_goes_on_to_the_same_bits(kind, tmp_path):
    settings = recipe(**kind(tmp_path))

    def fit(task, **how):
        data = DataModule(settings, str(tmp_path), 0)
        trainer = pl.Trainer(
            **QUIET, max_epochs=2, default_root_dir=str(tmp_path), enable_checkpointing=False, limit_val_batches=0
        )
        trainer.fit(task, data, **how)
        return task.seen, task.state_dict(), data.order_sha256

    def fresh(stop_at=None):
        torch.manual_seed(0)
        return Mean(stop_at)

    whole, weights, order = fit(fresh())
    stopped = fresh(stop_at=7)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        fit(stopped)
    rest, again, order_again = fit(fresh(), ckpt_path=str(tmp_path / "stopped.ckpt"), weights_only=True)
    assert [where[:2] for where in rest] == [where[:2] for where in whole[len(whole) - len(rest) :]]
    for (_, _, one), (_, _, other) in zip(rest, whole[len(whole) - len(rest) :], strict=True):
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))
    assert len(rest) < len(whole)
    assert all(weights[name].equal(again[name]) for name in weights)
    assert order == order_again
