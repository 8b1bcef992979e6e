"""The reference of the commands: what each says of itself when asked for help."""

import ast
import contextlib
import importlib
import io
import os
import sys
from pathlib import Path
from unittest import mock

from encore import __main__ as encore
from website.links import ROOT

INTRO = """\
# Commands

## The engine's

In a clone, `python scripts/NAME.py`; where the engine is installed, `encore NAME`. The names are the same, except that
`train` is `train.py` and `new` is `scripts/new_project.py`. A RUN is the folder of a run, or a folder of runs.
"""
OF_COURSE = """
## The course's

They exist only in the repository.
"""


def page() -> str:
    """Every command with its help."""
    own = {f"encore {name}": f"encore.commands.{name}" for name in encore.commands()}
    scripts = {f"python scripts/{file.name}": module_of(file) for file in sorted((ROOT / "scripts").glob("*.py"))}
    course = {words: module for words, module in scripts.items() if module.startswith("course.")}
    return "".join([INTRO, *map(section, own, own.values()), OF_COURSE, *map(section, course, course.values())])


def module_of(script: Path) -> str:
    """The module that a thin script takes `main` from; an empty text for one that has its own."""
    imports = (node for node in ast.parse(script.read_bytes()).body if isinstance(node, ast.ImportFrom))
    return next((node.module or "" for node in imports if any(each.name == "main" for each in node.names)), "")


def section(words: str, module: str) -> str:
    name = words.split()[-1].removeprefix("scripts/").removesuffix(".py")
    return f"\n### {name}\n\n```text\n{help_of(words, module).strip()}\n```\n"


def help_of(words: str, module: str) -> str:
    """What a command prints with --help."""
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [words, "--help"]),
        mock.patch.dict(os.environ, COLUMNS="90"),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        importlib.import_module(module).main()
    return said.getvalue()
