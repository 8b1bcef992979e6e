"""What a run says of texts: typed ones, single words, and those that it gets wrong."""

import io
import re
import sys
from dataclasses import replace

import pytest
from made_reviews import GOOD, SETTINGS, archived, reviews

import encore
from course.reviews import command, mistakes
from course.reviews.mistakes_figure import COLUMNS, LINES, lines
from course.reviews.reader import reader
from course.reviews.words import BREAK
from encore.command import end
from encore.commands import predict

ODD = "good <b>fine</b> & moving<br /><br />" + "funny " * 3 + "\x1b[31m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that has learned to tell reviews by their words, and takes one test review for the opposite."""
    place = tmp_path_factory.mktemp("reviews")
    members = reviews(64, 16) | {"aclImdb/test/neg/3_2.txt": ODD.encode()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCORE_CACHE_DIR", str(place / "cache"))
        words = {"experiment": "imdb_mean", "data_dir": str(archived(place / "data", members)), **SETTINGS}
        words |= {"runs_dir": str(place / "runs"), "data.vocabulary": 30, "model.width": 8, "optim.lr": 0.05}
        yield encore.run(words).folder


@pytest.fixture
def go(monkeypatch, capfd):
    """The command as a user types it, in this process: its exit code, and what was printed."""

    def run(*words, typed=b""):
        monkeypatch.setattr(sys, "argv", ["reviews.py", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            end(command.main)
        return stop.value.code, *capfd.readouterr()

    return run


def test_a_typed_text_is_praise_or_blame(go, folder):
    code, said, _ = go("predict", folder, "The film was good, fine, moving", "dull and slow")
    assert code == 0
    first, second = said.splitlines()
    assert re.fullmatch(r"praise (0\.9|1\.0)\d+  The film was good, fine, moving", first)
    assert second.startswith("blame ")


def test_texts_are_read_from_the_standard_input_a_line_each(go, folder):
    code, said, _ = go("predict", folder, "-", typed="funny\n\nsilly\n좋다\n".encode())
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()[:2]] == ["praise", "blame"]
    assert said.splitlines()[2].endswith("좋다")


def test_the_engine_s_own_command_reads_sentences(folder, typed, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good, fine\ndull\n")))
    code, said, _ = typed(predict.main, folder, "-", "--csv", "--top", "1")
    assert code == 0
    assert [line.rpartition(",")[0] for line in said.splitlines()[1:]] == ['"good, fine",praise', "dull,blame"]


@pytest.mark.parametrize(
    ("words", "typed", "code", "message"),
    [
        (["predict", "-"], b"", 3, "holds no text"),
        (["predict", "-"], b"caf\xe9\n", 3, "cannot be read as text in UTF-8"),
        (["words", "--out", "words.xyz"], b"", 1, "must end in .png, .svg or .pdf"),
        (["words", "--least", "100000"], b"", 3, "occur 100000 times or more"),
        (["mistakes", "--out", "page.txt"], b"", 1, "must end in .html"),
        (["mistakes", "--count", "0"], b"", 1, "--count"),
    ],
)
def test_mistakes_of_the_command_line_and_of_what_is_typed(go, folder, words, typed, code, message):
    ended, said, complained = go(words[0], folder, *words[1:], typed=typed)
    assert ended == code
    assert message in complained
    assert "Traceback" not in said + complained


def test_a_run_that_reads_no_reviews_is_refused(go, run, tmp_path):
    other = run({"debug": "fast"})
    code, _, complained = go("predict", other.folder, "fine")
    assert code == 3
    assert "reads no texts" in complained


def test_the_words_of_the_greatest_weight_are_drawn(go, folder, tmp_path):
    out = tmp_path / "pictures" / "words.svg"
    assert go("words", folder, "--count", "3", "--least", "1", "--out", out)[0] == 0
    drawn = [word for word in re.findall(r"<!-- (\w+) -->", out.read_text()) if word in GOOD]
    assert len(drawn) == 3
    assert "seed0-" not in out.read_text()  # the folder's name


def test_a_word_s_contribution_is_what_the_logit_loses_without_it(folder):
    with reader(folder) as it:
        text = it.tokens("good dull good")
        parts = it.contributions(text)
        net = it.parts.task.net
        unknown = net.embedding.weight[2]
        alone = ((net.embedding.weight[text.long()] - unknown) / len(text)) @ net.head.weight[0]
        assert parts[1:].tolist() == pytest.approx(alone[1:].tolist(), abs=1e-5)
        assert parts[0] == 0
        assert it.contributions(it.tokens("")).tolist() == [0]
        assert len(it.contributions(it.tokens("good " * 2_000))) == 2_001


def test_what_it_gets_wrong_is_shown_word_by_word_and_stays_text(go, folder, tmp_path):
    page = tmp_path / "page.html"
    code, said, _ = go("mistakes", folder, "--out", page)
    assert code == 0
    assert "1 of 16 test reviews are wrong" in said
    assert "aclImdb/test/neg/3_2.txt: blame, 2 of 10 stars; taken for praise" in said
    assert "\x1b" not in said  # nobody's terminal
    assert re.search(r"\[\+(good|moving|funny|fine)\]", said)
    written = page.read_text()
    assert "&lt;" in written
    assert "<b>" not in written
    assert "&amp;" in written
    assert re.search(r'<span style="background: rgb\(0 114 178 / 0\.\d\d\)">(good|moving|funny|fine)</span>', written)


def test_what_it_gets_wrong_is_drawn_word_by_word(go, folder, tmp_path):
    out = tmp_path / "pictures" / "mistakes.svg"
    assert go("mistakes", folder, "--count", "1", "--out", out)[0] == 0
    assert "taken for praise" in out.read_text()
    with reader(folder) as it:
        found = mistakes.find(it, 1)
    (review,) = found.shown
    shown = [word for line in lines(review) for _, word, _ in line]
    assert shown == BREAK.sub(" ", review.review.text).split()
    long = replace(
        review,
        review=replace(review.review, text="good " * 2_000),
        words=[(5 * n, 5 * n + 4, 1.0) for n in range(300, 2_000)],
    )
    held = lines(long)
    assert len(held) == LINES
    assert max(column + len(word) for line in held for column, word, _ in line) <= COLUMNS
    assert {part for line in held for _, _, parts in line for part in parts} == {1.0}  # it begins where reading begins


def test_a_terminal_shows_colours_and_nothing_that_steers_it(folder):
    with reader(folder) as it:
        shown = mistakes.terminal(mistakes.find(it, 1), colors=True)
    assert re.search(r"\x1b\[48;2;\d+;\d+;\d+;38;2;0;0;0m(good|moving|funny|fine)\x1b\[0m", shown)
    assert r"\x1b[" in shown
    assert "\x1b[31m" not in shown
