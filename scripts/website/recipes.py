"""The gallery of experiments, sweeps, regularisers and debugging recipes: what they say, their pictures, their YAML."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pymdownx.slugs import slugify  # type: ignore[import-untyped]

from encore.config import places
from website.links import ROOT
from website.settings import escaped
from website.yaml_comments import read

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
    """A section of the course: its title, the recipes that its commands run, and its pictures as Markdown."""

    title: str
    recipes: frozenset[str]
    pictures: tuple[str, ...]


def pages() -> Iterator[tuple[str, str]]:
    topics = list(of_course())
    for group, (title, words) in TITLES.items():
        files = [file for name in places.options(group) if (file := places.find(f"{group}/{name}"))]
        shown = {file.stem: [topic for topic in topics if f"{group}={file.stem}" in topic.recipes] for file in files}
        sections = "\n".join(section(group, file, shown[file.stem]) for file in files)
        yield f"experiments/{group}.md", f"# {title}\n\n{words}\n\n{overview(shown)}\n{sections}"


def of_course() -> Iterator[Topic]:
    """The course's sections that run something."""
    for text in re.split(r"^##+ ", COURSE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = text.partition("\n")[0]
        run = set(named("\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))))
        run |= {each for recipe in run for each in of_sweep(recipe)}
        yield Topic(title, frozenset(run), tuple(re.findall(r"!\[[^\]]*\]\([^)]+\)", text)))


def named(commands: str) -> Iterator[str]:
    """The experiments and sweeps that commands run, such as `experiment=thumbtack`."""
    for group, names in re.findall(r"\b(experiment|sweep)(?:=|: )([\w,]+)", commands):
        yield from (f"{group}={name}" for name in names.split(","))


def of_sweep(recipe: str) -> Iterator[str]:
    """The experiments that a sweep runs."""
    group, _, name = recipe.partition("=")
    file = places.find(f"sweep/{name}") if group == "sweep" else None
    yield from named(re.sub(r"#.*", "", file.read_text(encoding="utf-8"))) if file else ()


def overview(shown: dict[str, list[Topic]]) -> str:
    """A contact sheet: the first picture of each recipe, small, with the names of those that share it."""
    names: dict[str, list[str]] = {}
    for name, topics in shown.items():
        for picture in [each for topic in topics for each in topic.pictures][:1]:
            names.setdefault(picture, []).append(name)
    return f'<div class="sheet">\n{"".join(map(cell, names, names.values()))}</div>\n' if names else ""


def cell(picture: str, names: list[str]) -> str:
    words, file = picture.removeprefix("![").removesuffix(")").split("](")
    links = "<br>".join(f'<a href="#{name}">{name}</a>' for name in names)
    image = f'<img src="../{file}" alt="{html.escape(words)}" loading="lazy">'
    return f'<figure><a href="#{names[0]}">{image}</a><figcaption>{links}</figcaption></figure>\n'


def local(picture: str) -> str:
    return picture.replace("](", "](../") + "{ loading=lazy }"


def section(group: str, file: Path, topics: list[Topic]) -> str:
    """A recipe: what it says of itself, its commands, what the course shows of it, and its YAML."""
    config, name = read(file), file.stem
    commands = config.commands or f"python train.py {'-m ' if group == 'sweep' else ''}{group}={name}"
    pictures = dict.fromkeys(local(picture) for topic in topics for picture in topic.pictures)
    slug = slugify(case="lower")
    links = ", ".join(f"[{topic.title}](../course.md#{slug(topic.title, '-')})" for topic in topics)
    yaml = "\n".join(f"    {line}".rstrip() for line in file.read_text(encoding="utf-8").splitlines())
    return "\n\n".join(
        [
            f"## {name} {{ #{name} }}",
            LABELS.sub(r"\n\n**\1**: ", escaped(config.about)),
            f"```bash\n{commands}\n```",
            *pictures,
            *([f"In the course: {links}."] if links else []),
            f'??? note "{file.relative_to(ROOT).as_posix()}"\n\n    ```yaml\n{yaml}\n    ```\n',
        ]
    )
