"""The documentation: its commands are ones that there are, and its pictures are there."""

import re
import shlex

import pytest
from conftest import ROOT

from encore.config import places

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GALLERY = ROOT / "docs" / "gallery"
COURSE = [ROOT / "docs" / name for name in ("course.md", "course.ko.md")]


def blocks(page):
    """The commands of a page, a list of words each."""
    text = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)).replace("\\\n", " ")
    lines = [part for line in text.splitlines() for part in re.split(r" && | \|\| ", line)]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_experiment_and_sweep_that_is_named_is_there(page):
    for words in blocks(page):
        for word in words:
            if re.fullmatch(r"(scripts/)?\w+\.py", word):
                assert (ROOT / word).is_file(), words
        for group in ("experiment", "sweep", "regulariser"):
            for word in words:
                if word.startswith(f"{group}="):
                    for option in word.removeprefix(f"{group}=").split(","):
                        assert is_there(f"{group}/{option}.yaml"), words


def is_there(config):
    """Whether the engine or the clone's project has it, or an example of the page's project."""
    return any((folder / config).is_file() for folder in places.every()) or any(GALLERY.glob(f"*/configs/{config}"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_every_page_that_is_linked_is_there(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_both_languages_have_the_same_commands_and_pictures():
    english, korean = COURSE
    assert blocks(english) == blocks(korean)
    pictures = [re.findall(r"!\[.+?\]\((.+?)\)", page.read_text()) for page in COURSE]
    assert pictures[0] == [
        name.replace("/course/ko/bias_variance", "/bias_variance").replace("/course/ko/", "/course/")
        for name in pictures[1]
    ]
    assert len(pictures[0]) == len(set(pictures[0]))


def test_every_picture_of_the_course_is_made_by_one_of_its_commands():
    made = {
        word.removeprefix("docs/") for words in blocks(COURSE[0]) for word in words if word.startswith("docs/images/")
    }
    shown = re.findall(r"!\[.+?\]\((.+?)\)", COURSE[0].read_text())
    assert set(shown) - {"images/bias_variance.png"} <= made  # the README's


@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.name)
def test_the_course_ends_with_a_table_of_its_topics(page):
    text, _, table = page.read_text().rpartition("\n## ")
    listed = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines() if "](#" in row]
    topics = []
    for section in re.split(r"^(?=##)", text, flags=re.MULTILINE):
        title = section.partition("\n")[0]
        if title.startswith("## "):
            note = title[3]
        if title.startswith("### "):
            topics.append((title[4:], note, section))
    assert [row[0].partition("](")[0][1:] for row in listed] == [title for title, _, _ in topics]
    for (link, letter, command, picture), (title, note, section) in zip(listed, topics, strict=True):
        place = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        assert link == f"[{title}](#{place})"
        assert letter == note
        assert command.strip("`") in section
        assert picture == "–" or picture.partition("](")[2].rstrip(")") in section
        assert picture != "–" or "![" not in section
