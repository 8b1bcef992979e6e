"""Reviews are read from an archive by name; what is wrong with it is said, and ends with exit code 3."""

import gzip

import numpy as np
import pytest
import torch
from made_reviews import ARCHIVE, archived, reviews, unpacked

from course.reviews import archive, dataset
from course.reviews.dataset import Reviews
from course.reviews.words import number, places, words
from encore.errors import InputError

ONE = "aclImdb/train/neg/0_2.txt"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))


def opened(folder, train=True):
    return Reviews(str(folder), train=train, as_published=False)


def digests(members):
    """Digests of the parts of an archive, as the class states those of the published one."""
    found = {}
    for part in archive.PARTS:
        some = [archive.review(archive.MEMBER.fullmatch(name), text, "here") for name, text in members.items()]
        found[part] = archive.sha256(archive.in_order([one for one in some if one.part == part], "here"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A film<br />that's fun!", ["a", "film", "that's", "fun", "!"]),
        ("10/10, isn’t it?", ["10", "10", "isn’t", "it", "?"]),
        ("Die Größe: 영화 좋다", ["die", "größe", "영화", "좋다"]),
        ("İstanbul", ["İstanbul"]),  # two letters as small ones
        ("", []),
        ("... -- <br/>", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected
    assert [text[begin:end].lower() for begin, end in places(text)] == [word.lower() for word in expected]


def test_reviews_come_by_label_and_number_whatever_the_archive_s_order(tmp_path):
    members = reviews()
    one = opened(archived(tmp_path / "a", members))
    other = opened(archived(tmp_path / "b", dict(reversed(members.items()))))
    assert one.label.tolist() == [0] * 16 + [1] * 16
    assert one.id.tolist() == [*range(16), *range(16)]
    assert np.array_equal(one.tokens, other.tokens)
    assert [one.spelling[token] for token in one.tokens[: one.starts[1]]] == words(members[ONE].decode())
    assert one.tokens[0] == number("the")


def test_the_training_set_s_reader_does_not_look_at_the_test_set(tmp_path):
    broken = {name: b"\xff" if "/test/" in name else text for name, text in reviews().items()}
    assert len(opened(archived(tmp_path, broken)).label) == 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({ONE: b"caf\xe9"}, "neg/0_2.txt is not UTF-8"),
        ({"aclImdb/train/neg/0_3.txt": b"again"}, "two reviews of the number 0"),
        ({name: None for name in reviews() if "/pos/" in name}, "another layout.*ID_RATING"),
        (dict.fromkeys(reviews()) | {"reviews/0.txt": b"else"}, "another layout.*ID_RATING"),
    ],
)
def test_archives_that_cannot_be_used(tmp_path, change, message):
    members = {name: text for name, text in (reviews() | change).items() if text is not None}
    with pytest.raises(InputError, match=f"(?s)aclImdb_labelled.*{message}"):
        opened(archived(tmp_path, members))


@pytest.mark.parametrize("damage", ["truncated", "altered", "no archive", "empty"])
def test_broken_archives(tmp_path, damage):
    file = archived(tmp_path) / ARCHIVE
    whole = file.read_bytes()
    plain = bytearray(gzip.decompress(whole))
    middle = len(whole) // 2
    contents = {
        "truncated": whole[:middle],
        "altered": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "no archive": bytes(plain[:100]),
        "empty": b"",
    }
    file.write_bytes(contents[damage])
    with pytest.raises(InputError, match="is truncated or altered, or no archive"):
        opened(tmp_path)
    assert not list((tmp_path / "cache").glob("*.npz"))


def test_other_reviews_than_the_published_ones_are_refused(tmp_path, monkeypatch):
    archived(tmp_path)
    with pytest.raises(InputError, match=r"not those that were published.*\n.*fetch_data imdb"):
        Reviews(str(tmp_path), train=True)
    monkeypatch.setattr(dataset, "SHA256", digests(reviews()))
    assert len(Reviews(str(tmp_path), train=True).label) == 32


def test_an_empty_review_and_a_very_long_one_are_read(tmp_path):
    long = " ".join(["fine"] * 10_000)
    found = opened(archived(tmp_path, reviews() | {ONE: b"", "aclImdb/train/neg/1_2.txt": long.encode()}))
    assert np.diff(found.starts)[:2].tolist() == [0, 10_000]


def test_what_was_read_is_kept_by_content(tmp_path, monkeypatch):
    first = opened(archived(tmp_path / "a"))
    monkeypatch.setattr(archive, "read", lambda *_: pytest.fail("it is read again"))
    (tmp_path / "b" / "IMDB").mkdir(parents=True)
    (tmp_path / "b" / ARCHIVE).write_bytes((tmp_path / "a" / ARCHIVE).read_bytes())
    second = opened(tmp_path / "b")
    assert np.array_equal(first.tokens, second.tokens)


def test_an_unpacked_archive_is_packed_anew_and_read_as_the_original(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "SHA256", digests(reviews()))
    source = unpacked(tmp_path / "mine" / "somewhere")
    (source / "aclImdb" / "train" / "unsup").mkdir()
    (source / "aclImdb" / "train" / "unsup" / "0_0.txt").write_text("unlabelled")
    place = Reviews.pack(tmp_path / "mine", tmp_path / "data")
    assert place == tmp_path / "data" / dataset.PACKED
    for train in (True, False):
        ours = Reviews(str(tmp_path / "data"), train=train)
        assert np.array_equal(ours.tokens, opened(archived(tmp_path / "original"), train).tokens)


def test_an_unpacked_archive_with_other_reviews_leaves_nothing_behind(tmp_path):
    unpacked(tmp_path / "mine")
    with pytest.raises(InputError, match=r"holds 32 reviews that are not the 25,000 published"):
        Reviews.pack(tmp_path / "mine", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    assert Reviews.pack(tmp_path / "data", tmp_path / "data") is None


def test_the_tokens_are_numbers_that_a_tensor_can_hold(tmp_path):
    assert torch.from_numpy(opened(archived(tmp_path)).tokens).min() >= 0
