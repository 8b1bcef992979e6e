"""The gallery of experiments, sweeps, regularisers and debugging recipes: what they say, their pictures, their YAML."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pymdownx.slugs import slugify  # type: ignore[import-untyped]

from encore.config import places
from website.links import ROOT

COURSE = ROOT / "docs" / "course.md"
TITLES = {
    "experiment": (
        "Experiments",
        "Whole recipes with what they cost and what came out. `python train.py experiment=NAME` runs one; any other "
        "setting can be changed beside it.",
    ),
    "sweep": (
        "Sweeps and searches",
        "`python train.py -m sweep=NAME` runs every run of one, and reports on them: [how](../sweeps.md).",
    ),
    "regulariser": (
        "Regularisers",
        "Each is one change to any run, so that they can be compared: `python train.py experiment=overfit "
        "regulariser=NAME`.",
    ),
    "debug": ("Debugging", "`python train.py debug=NAME` tries a run in seconds, or looks into it."),
}
LABELS = re.compile(r"(?<!\w)(Cost|Result): ")


@dataclass(frozen=True)
class Topic:
    """A section of the course: its title, the words of its commands, and its pictures."""

    title: str
    words: frozenset[str]
    pictures: tuple[str, ...]


def pages() -> Iterator[tuple[str, str]]:
    topics = list(of_course())
    for group, (title, words) in TITLES.items():
        files = [file for name in places.options(group) if (file := places.find(f"{group}/{name}"))]
        sections = "\n".join(section(group, file, topics) for file in files)
        yield f"experiments/{group}.md", f"# {title}\n\n{words}\n\n{sections}"


def of_course() -> Iterator[Topic]:
    """The course's sections that run something."""
    for text in re.split(r"^### ", COURSE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = text.partition("\n")[0]
        blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
        chosen = re.findall(r"\b(experiment|sweep)=([\w,]+)", blocks)
        words = {f"{group}={name}" for group, names in chosen for name in names.split(",")}
        yield Topic(title, frozenset(words), tuple(re.findall(r"!\[[^\]]*\]\([^)]+\)", text)))


def section(group: str, file: Path, topics: list[Topic]) -> str:
    """A recipe: its header as prose, its commands, what the course shows of it, and its YAML."""
    name, text = file.stem, file.read_text(encoding="utf-8")
    head = [line[1:].strip() for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    commands = [line for line in head if line.startswith(("python ", "make "))]
    words = " ".join(line for line in head if line not in commands and not line.startswith("@package"))
    commands = commands or [f"python train.py {'-m ' if group == 'sweep' else ''}{group}={name}"]
    shown = [topic for topic in topics if f"{group}={name}" in topic.words]
    pictures = dict.fromkeys(picture for topic in shown for picture in topic.pictures)
    slug = slugify(case="lower")
    links = ", ".join(f"[{topic.title}](../course.md#{slug(topic.title, '-')})" for topic in shown)
    path = file.relative_to(ROOT).as_posix()
    parts = [
        f"## {name} {{ #{name} }}",
        LABELS.sub(r"\n\n**\1**: ", escaped(words)),
        fenced("bash", "\n".join(commands)),
    ]
    parts += [picture.replace("](", "](../") + "{ loading=lazy }" for picture in pictures]
    parts += [f"In the course: {links}." if links else "", folded(path, fenced("yaml", text.rstrip()))]
    return "\n\n".join(part for part in parts if part) + "\n"


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def folded(title: str, text: str) -> str:
    return f'??? note "{title}"\n\n' + "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def escaped(text: str) -> str:
    return text.replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")
