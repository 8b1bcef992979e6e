"""`encore COMMAND …`: each command is a module of `encore.commands` with a `main`."""

import ast
import difflib
import importlib
import sys
from importlib import metadata
from pathlib import Path

from encore.command import end
from encore.errors import ConfigError

COMMANDS = Path(__file__).parent / "commands"
USAGE = """\
encore COMMAND …; encore COMMAND --help shows its arguments.
"""
EVERYWHERE = """
Every command looks for your configs and modules in the project around the working directory (a pyproject.toml
with a table [tool.encore]), in the folders that ENCORE_CONFIGS lists, and in --config-dir FOLDER.
"""
ELSEWHERE = {
    "benchmark": "exists only in the repository: `python scripts/benchmark.py` measures the engine's speed",
    "gpu_check": "exists only in the repository: `python scripts/gpu_check.py` tries on a GPU what Encore promises",
    "screenshots": "exists only in the repository: `python scripts/screenshots.py` makes the documentation's pictures",
}


def main() -> None:
    """Run the named command, or list the commands."""
    name, *rest = sys.argv[1:] or ["--help"]
    name = name.replace("-", "_") if not name.startswith("-") else name
    # The program's name for argparse; Hydra's sweeps and the manifest read the arguments after it.
    sys.argv = [f"encore {name}", *rest]
    end(lambda: run(name), trains=name == "train")


def run(name: str) -> int | None:
    """Run a command.

    Raises:
        ConfigError: there is no such command.
    """
    if name in ("-h", "--help"):
        return print(listed(), end="")
    if name == "--version":
        return print(f"encore {metadata.version('encore')}")
    if name in ELSEWHERE:
        raise ConfigError(f"encore {name} {ELSEWHERE[name]}")
    names = commands()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"there is no command {name}{meant} (encore --help lists them)")
    return importlib.import_module(f"encore.commands.{name}").main()


def commands() -> list[str]:
    return sorted(file.stem for file in COMMANDS.glob("[a-z]*.py"))


def listed() -> str:
    """The help text: every command with its summary."""
    lines = (f"  {name:15} {about(COMMANDS / f'{name}.py')}\n" for name in commands())
    return f"{USAGE}\n{''.join(lines)}{EVERYWHERE}"


def about(file: Path) -> str:
    """The first line of a module's docstring, without importing it."""
    said = ast.get_docstring(ast.parse(file.read_bytes())) or ""
    return said.partition("\n")[0]


if __name__ == "__main__":
    main()
