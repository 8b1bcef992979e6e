"""The settings by which TensorBoard compares runs, under HPARAMS."""

from encore.config.compose import config_from
from encore.config.defaults import Differences
from encore.runner.observers import columns


def columns_of(words):
    cfg = config_from(words)
    return columns(cfg, Differences.of(cfg))


def test_a_run_at_the_defaults_has_the_usual_settings_and_its_model_s():
    found = columns_of([])
    assert list(found) == [
        "data.name", "model.name", "optim.name", "optim.lr", "optim.weight_decay", "data.batch_size",
        "trainer.max_epochs", "seed", "model.widths", "model.activation", "model.dropout", "model.norm", "model.pool",
    ]  # fmt: skip
    assert (found["model.widths"], found["optim.lr"]) == ("[128]", 0.001)


def test_what_differs_from_the_defaults_has_a_column():
    more = ["augment=[flip_crop,random_erasing]", "scheduler=cosine", "scheduler.final=0.1", "data.normalize=none"]
    found = columns_of(more)
    assert {name: found[name] for name in ("augment", "scheduler.name", "scheduler.final", "data.normalize")} == {
        "augment": "[flip_crop, random_erasing]",
        "scheduler.name": "cosine",
        "scheduler.final": 0.1,
        "data.normalize": "none",
    }
