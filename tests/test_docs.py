"""The documentation: its commands are ones that there are, and its links lead somewhere.

A block of commands or of Python below the line `<!-- runnable -->` is run in a folder with two runs: RUN is one.
"""

import itertools
import re
import shlex
import shutil

import processes
import pytest
import yaml
from conftest import ROOT
from packaging.utils import canonicalize_name

from encore.config import places
from encore.config.compose import config_from
from encore.project.health import pinned
from encore.provenance.fingerprint import identity
from encore.provenance.variables import COUNTED

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GALLERY = ROOT / "docs" / "gallery"
COURSE = [ROOT / "docs" / name for name in ("course.md", "course.ko.md")]
ALL = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "src" / "course" / "README.md"]
RUNNABLE = re.compile(r"^<!-- runnable -->\n```(bash|python)\n(.*?)```", re.DOTALL | re.MULTILINE)


def blocks(page):
    """The commands of a page, a list of words each."""
    return commands("\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)))


def commands(text):
    """The commands in a text, a list of words each."""
    lines = [part for line in text.replace("\\\n", " ").splitlines() for part in re.split(r" && | \|\| ", line)]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_the_runs_that_readme_and_runs_md_name_are_those_that_their_commands_make(monkeypatch):
    for name in COUNTED:
        monkeypatch.delenv(name, raising=False)
    runs = (ROOT / "docs" / "runs.md").read_text()
    (in_readme,) = re.findall(r"^folder +runs/\S+-(\w+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = {
        "": [in_readme, *re.findall(r"^runs/\S+-(\w+) +at the defaults", runs, re.MULTILINE)],
        "optim.lr=0.003 model.widths=[64]": re.findall(
            r"^runs/\S+-(\w+) +with optim.lr=0.003 model", runs, re.MULTILINE
        ),
    }
    assert [len(marks) for marks in shown.values()] == [2, 1]
    stale = {}
    for words, marks in shown.items():
        real = identity(config_from([*words.split(), "trainer.accelerator=cpu", "threads=2"]))
        check_locked(real.code.packages)
        stale |= {mark: real.mark[:10] for mark in marks if mark != real.mark[:10]}
    renew = "; ".join(f"sed -i s/{mark}/{real}/ README.md docs/runs.md" for mark, real in stale.items())
    assert not stale, (
        "code or defaults of these runs have changed, and with them the fingerprints that the documents show; if "
        f"`python train.py fresh=true` still prints the numbers in README.md, this renews them: {renew}"
    )


def check_locked(packages):
    """Skip where packages are not those of the lock: their versions are part of a fingerprint."""
    pins = {canonicalize_name(each.name): str(each.specifier) for each in pinned(ROOT / "requirements.lock")}
    if others := [f"{name} {version}" for name, version in packages.items() if pins.get(name) != f"=={version}"]:
        pytest.skip(f"other versions than those of requirements.lock: {', '.join(others)}")


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


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def without_code(page):
    return re.sub(r"^```.*?^```|`[^`\n]+`(?!\])", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Those of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_list_comes_after_a_blank_line_so_that_the_site_shows_one(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^(?!- |  |\d+\. ).+\n(?:- |\d+\. ).*", text, re.MULTILINE) == []


def test_every_page_has_a_place_in_the_site():
    class Loader(yaml.SafeLoader):
        """Takes the tags of MkDocs as they come."""

    Loader.add_multi_constructor("", lambda loader, tag, node: None)
    config = yaml.load((ROOT / "scripts" / "website" / "mkdocs.yml").read_text(), Loader)
    pages = [file.relative_to(ROOT / "docs") for file in (ROOT / "docs").rglob("*") if file.suffix in (".md", ".ipynb")]
    assert {page.with_suffix(".md").as_posix() for page in pages} <= set(entries(config["nav"]))


def entries(nav):
    """The pages of a nav, however deep."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in entries(entry)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two runs."""
    folder = tmp_path_factory.mktemp("trained")
    done = processes.finish(ROOT / "train.py", "-m", "seed=0,1", "trainer.max_epochs=2", "threads=1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if RUNNABLE.search(page.read_text())], ids=lambda page: page.name
)
def test_every_block_that_is_marked_as_runnable_runs(page, trained, tmp_path, monkeypatch):
    folder = shutil.copytree(trained, tmp_path / "reader")
    (folder / "docs" / "images" / "course").mkdir(parents=True)
    runs = itertools.cycle(sorted(folder.glob("runs/digits-*/**/seed*-*")))
    monkeypatch.chdir(folder)
    for language, text in RUNNABLE.findall(page.read_text()):
        if language == "python":
            exec(compile(text, page.name, "exec"), {})
        for words in commands(text.replace("RUN…", "RUN")) if language == "bash" else ():
            assert words[0] == "python", "only our own commands are run"
            script, *rest = (str(next(runs)) if word == "RUN" else word for word in words[1:])
            done = processes.finish(ROOT / script, *rest, cwd=folder)
            assert done.returncode == 0, (words, done.stderr)


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
