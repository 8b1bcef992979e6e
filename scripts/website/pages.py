"""What the site has besides docs/: the README as its first page, references, and the files that pages link to."""

import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

sys.path.append(str(Path(__file__).parents[1]))  # MkDocs loads this file by its path

from website import commands, notebooks, recipes, settings
from website.links import ROOT, linked, place, rewritten

API = ("", ".data", ".models", ".tasks", ".optim", ".callbacks", ".loggers", ".record", ".errors")
WIDE = "---\ntitle: Getting started\nhide: [navigation]\n---\n"
UNSEARCHED = "---\nhide: [navigation]\nsearch: {exclude: true}\n---\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for uri, content in (*generated(), *sources(files)):
        level = InclusionLevel.UNDEFINED if in_nav(uri, config.nav) else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, content=content, inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page of docs/ hold in the site."""
    return markdown if page.file.generated_by else rewritten(markdown, f"docs/{page.file.src_uri}")


def generated() -> Iterator[tuple[str, str | bytes]]:
    """References, from the code and the configs."""
    yield "commands.md", commands.page()
    yield from settings.pages()
    yield from recipes.pages()
    yield from notebooks.pages()
    for name in API:
        submodules = str(bool(name)).lower()
        yield f"api/encore{name}.md", f"::: encore{name}\n    options:\n      show_submodules: {submodules}\n"


def sources(files: Files) -> Iterator[tuple[str, str]]:
    """The README, and what it and the pages of docs/ link to outside of docs/."""
    pages = ["README.md", *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    yield "index.md", WIDE + rewritten(text_of("README.md"), "README.md")
    for path in linked(pages, text_of):
        if place(path).startswith("source/"):
            yield place(path), rewritten(text_of(path), path) if path.endswith(".md") else shown(ROOT / path)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def shown(path: Path) -> str:
    """A page that shows a file, or all Python files of a folder."""
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    blocks = (f"**{name}**\n\n```{suffix}\n{text}\n```\n" for name, suffix, text in map(contents, files) if text)
    return f"{UNSEARCHED}# {path.name}\n\n" + "\n".join(blocks)


def contents(file: Path) -> tuple[str, str, str]:
    name = file.relative_to(ROOT).as_posix()
    return name, {".py": "python", ".yaml": "yaml", ".cff": "yaml"}.get(file.suffix, "text"), text_of(name).rstrip()


def in_nav(uri: str, entries: object) -> bool:
    if isinstance(entries, dict):
        return in_nav(uri, list(entries.values()))
    return any(in_nav(uri, entry) for entry in entries) if isinstance(entries, list) else uri == entries
