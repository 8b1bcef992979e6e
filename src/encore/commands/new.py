"""Create a project of your own: a package, configs that override the engine's, tests, and an example of each."""

import argparse
import re
import shlex
from pathlib import Path

from encore.project.create import create
from encore.project.engine import requirement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH", help="the project's folder: new, or empty except for .git")
    parser.add_argument("--name", help="the package's name (the folder's, with _ for characters that are not allowed)")
    parser.add_argument(
        "--engine",
        metavar="WHERE",
        help="where to install Encore from: a clone's folder, a wheel, a URL such as git+https://…, or a version "
        "(the one running now)",
    )
    wanted = parser.parse_args()
    target = wanted.path.resolve()
    name = wanted.name or re.sub(r"\W|(?<=^)\d+", "_", target.name, flags=re.ASCII).strip("_")
    engine = requirement(wanted.engine)
    create(target, name, engine)
    print(f"project  {name}, in {target}\nengine   {engine}\nnext     cd {shlex.quote(str(wanted.path))} && make train")
