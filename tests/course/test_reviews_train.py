"""Every experiment on reviews trains; its nets read a text alike whatever shares its batch."""

import numpy as np
import pytest
import torch
from conftest import REAL
from made_reviews import SETTINGS, archived, reviews

import encore
from course.reviews.bags import Mean, paired
from course.reviews.sequences import Recurrent, Transformer
from encore.config.build import build
from encore.config.compose import config_from

EXPERIMENTS = ("imdb_mean", "imdb_bigrams", "imdb_gru", "imdb_transformer")
SMALL = {"data.vocabulary": 30, "model.width": 8}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    if "real" not in tmp_path.name:
        monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_trains_two_steps_also_on_an_empty_review_and_one_of_10_000_words(run, tmp_path, experiment):
    odd = {"aclImdb/train/neg/0_2.txt": b"", "aclImdb/train/pos/0_9.txt": b"fine " * 10_000}
    folder = archived(tmp_path / "data", reviews(64, 16) | odd)
    words = {"experiment": experiment, "debug": "fast", "data_dir": str(folder), **SETTINGS, **SMALL}
    result = run(words | {"data.batch_size": 40, "data.val_fraction": 0.1})  # two batches are all training examples
    assert (result.status, result.steps) == ("finished", 2)
    assert not [name for name in result.undeclared if name.startswith("course.reviews")]
    assert np.isfinite(result.metrics["test/loss"])


def test_reviews_whose_words_tell_their_class_are_learned(run, tmp_path):
    folder = archived(tmp_path / "data", reviews(64, 16))
    words = {"experiment": "imdb_mean", "data_dir": str(folder), **SETTINGS, **SMALL, "optim.lr": 0.05}
    assert run(words).metrics["test/accuracy"] == 1


def net(experiment, **settings):
    torch.manual_seed(0)
    cfg = config_from({"experiment": experiment, **SMALL, **settings})
    return build(cfg["model"], what="model").eval()


def packed(texts):
    lengths = torch.tensor([len(text) for text in texts])
    return {"tokens": torch.cat(texts), "tokens_offsets": lengths.cumsum(0) - lengths}


def padded(texts):
    return {
        "tokens": torch.nn.utils.rnn.pad_sequence(texts, batch_first=True),
        "tokens_mask": torch.nn.utils.rnn.pad_sequence([torch.ones_like(text) for text in texts], batch_first=True),
    }


@pytest.mark.parametrize(("experiment", "batch"), [*zip(EXPERIMENTS, (packed, packed, padded, padded), strict=True)])
def test_a_text_is_read_alike_alone_and_among_longer_ones(experiment, batch):
    texts = [torch.tensor(text) for text in ([1], [1, 9, 8, 7], [1, 5], [1, 4, 4, 20, 21, 22, 23, 4])]
    model = net(experiment)
    together = model(**batch(texts))
    alone = torch.cat([model(**batch([text])) for text in texts])
    assert together.shape == (4, 1)
    assert torch.allclose(together, alone, atol=1e-6)


def test_the_mean_is_that_of_the_embeddings():
    model = net("imdb_mean")
    text = torch.tensor([1, 9, 9, 4])
    expected = model.head(model.embedding(text).mean(0))
    assert torch.allclose(model(**packed([text]))[0], expected, atol=1e-6)


def test_pairs_are_those_within_a_text():
    texts = [torch.tensor(text) for text in ([1, 5, 6], [1], [1, 5, 6, 5])]
    rows, offsets = paired(**{name.removeprefix("tokens_"): value for name, value in packed(texts).items()}, rows=10**6)
    assert offsets.tolist() == [0, 2, 2]
    assert rows[:2].tolist() == rows[2:4].tolist()  # (1, 5) and (5, 6)
    assert len(set(rows.tolist())) == 3  # and (6, 5), which is another
    assert len(rows) == 5


def test_the_order_of_words_counts_only_for_nets_that_read_it():
    for experiment, batch, same in (("imdb_mean", packed, True), ("imdb_bigrams", packed, False),
                                    ("imdb_gru", padded, False), ("imdb_transformer", padded, False)):  # fmt: skip
        model = net(experiment)
        one, other = (model(**batch([torch.tensor(text)])) for text in ([1, 5, 6, 7], [1, 7, 6, 5]))
        assert torch.allclose(one, other, atol=1e-7) is same, experiment


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mean(30, 0, 1), "width"),
        (lambda: Recurrent(30, 8, 1, cell="RNN"), "cell must be GRU or LSTM, not RNN"),
        (lambda: Transformer(30, 9, 1, longest=5), "heads must divide width=9"),
        (lambda: Transformer(30, 8, 1, longest=5)(**padded([torch.ones(6, dtype=torch.long)])), "model.longest=5"),
    ],
)
def test_settings_that_no_net_can_have(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
def test_the_real_reviews_are_read_and_one_epoch_is_well_on_its_way(tmp_path):
    if not list((REAL / "IMDB").glob("aclImdb*.tar.gz")):
        pytest.skip(f"needs the real IMDB reviews in {REAL.resolve()}: python scripts/fetch_data.py imdb")
    settings = {"experiment": "imdb_mean", "data_dir": str(REAL), "runs_dir": str(tmp_path / "runs"), "threads": 1}
    result = encore.run({**settings, "trainer.max_epochs": 1, "trainer.accelerator": "cpu"})
    assert result.metrics["test/accuracy"] > 0.80
