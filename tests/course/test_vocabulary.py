"""The vocabulary is that of the training examples alone, numbered as Keras numbers it."""

import pytest
import torch
from made_reviews import archived, reviews

from course.reviews.vocabulary import PADDING, SPECIAL, START, UNKNOWN, UNUSED, Vocabulary
from course.reviews.words import number, words
from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.data.named.ragged import joined
from encore.errors import ConfigError, InputError

NAME = "inputs.tokens"


def numbers(text):
    return torch.tensor([number(word) for word in words(text)], dtype=torch.long)


def fitted(size, *texts):
    vocabulary = Vocabulary(size)
    vocabulary.fit({NAME: joined([numbers(text) for text in texts])})
    return vocabulary


def test_special_tokens_have_keras_numbers():
    assert (PADDING, START, UNKNOWN, UNUSED, SPECIAL) == (0, 1, 2, 3, 4)


def test_words_are_numbered_by_how_frequent_they_are():
    vocabulary = fitted(7, "a a a b b c", "a b d")
    assert vocabulary.counts.tolist() == [4, 3, 1]
    kept = "c" if number("c") < number("d") else "d"
    assert vocabulary.tokens(words(f"b a {kept} {'d' if kept == 'c' else 'c'} e")).tolist() == [1, 5, 4, 6, 2, 2]
    assert vocabulary.tokens([]).tolist() == [1]


def test_sequences_begin_with_the_start_also_empty_ones():
    vocabulary = fitted(6, "a a b", "")
    found = vocabulary.transform({NAME: joined([numbers(text) for text in ("b c a", "", "a")]), "targets.label": None})
    assert found[NAME].values.tolist() == [1, 5, 2, 4, 1, 1, 4]
    assert found[NAME].offsets.tolist() == [0, 4, 5, 7]
    assert found[NAME].values.dtype == torch.int32
    assert found["targets.label"] is None


def test_of_a_longer_text_the_last_words_are_kept():
    vocabulary = fitted(6, "a a b")
    vocabulary.longest = 3
    found = vocabulary.transform({NAME: joined([numbers(text) for text in ("b c a b", "", "a", "a b")])})
    assert found[NAME].values.tolist() == [1, 4, 5, 1, 1, 4, 1, 4, 5]
    assert found[NAME].offsets.tolist() == [0, 3, 4, 6, 9]
    assert vocabulary.tokens(["b", "c", "a", "b"]).tolist() == [1, 4, 5]
    assert vocabulary.tokens(["a"]).tolist() == [1, 4]


def test_nothing_but_empty_texts_is_a_vocabulary_without_words():
    vocabulary = fitted(6, "", "")
    assert vocabulary.tokens(["a"]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("size", "longest", "message"), [(0, None, "size must be at least 5"), (4, 9, "size"), (9, 1, "longest must be at")]
)
def test_there_must_be_room_for_a_word(size, longest, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(size, longest)


def test_arrays_that_are_no_words_are_refused():
    with pytest.raises(InputError, match=r"data\.prepare\.array=inputs\.tokens must be sequences"):
        Vocabulary(9).fit({"inputs.tokens": torch.zeros(3, 2)})


def opened(tmp_path, monkeypatch, members, **settings):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    cfg = config_from(
        {"data": "imdb", "model": "text_mean", "data.as_published": False, "data.batch_size": 4}
        | {"data_dir": str(archived(tmp_path, members)), **settings}
    )
    data = DataModule(cfg["data"], cfg["data_dir"], seed=0)
    data.setup()
    return data


def test_words_of_validation_and_test_are_unknown(tmp_path, monkeypatch):
    members = {name: f"word{place}".encode() for place, name in enumerate(reviews())}
    data = opened(tmp_path, monkeypatch, members, **{"data.val_fraction": 0.25})
    assert len(data.split.val) == 8
    train, test = data.source.columns[NAME], data.test_source.columns[NAME]
    for part in (train.of(data.split.val)[0], test.values):
        assert set(part.tolist()) == {START, UNKNOWN}
    assert sorted(train.of(data.split.train)[0].tolist()) == [START] * 24 + [*range(SPECIAL, SPECIAL + 24)]


def test_its_size_is_a_setting(tmp_path, monkeypatch):
    data = opened(tmp_path, monkeypatch, reviews(), **{"data.vocabulary": 8})
    assert int(data.source.columns[NAME].values.max()) == 7
    with pytest.raises(ConfigError, match=r"data\.prepare\.size must be at least 5"):
        opened(tmp_path, monkeypatch, reviews(), **{"data.vocabulary": 3})
