"""The engine's rooms: imports between them point downwards, and never in a circle."""

import ast
from pathlib import Path

import encore

SRC = Path(encore.__file__).parent
# From the bottom to the top; rooms on one line know nothing of each other.
ORDER = [
    {"across_ranks", "errors", "models", "seeding", "terminal"},
    {"stopping", "config", "files"},
    {"fast", "locks", "optim", "project", "provenance"},
    {"command", "data", "loggers"},
    {"tasks", "record"},
    {"callbacks"},
    {"population"},
    {"runner"},
    {"use"},
    {"analysis"},
    {"sweep"},
    {"commands"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def room_of(module):
    """The package or top-level module that a dotted name of the engine lies in; None of the engine's door itself."""
    return [*module.split("."), None][1]


def imports():
    """Every import of the engine's own modules, for type checkers too: where it stands, from which room, of which."""
    for file in sorted(SRC.rglob("*.py")):
        place = file.relative_to(SRC)
        here = place.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "encore":
                for alias in node.names:
                    there = room_of(f"{node.module}.{alias.name}")
                    if here != "__init__" and there in LEVEL:
                        yield f"{place}: {node.module}.{alias.name}", here, there


def test_every_room_has_its_place():
    rooms = {path.name.removesuffix(".py") for path in SRC.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__", "py.typed"} == set(LEVEL)


def test_imports_point_downwards():
    upwards = [where for where, here, there in imports() if here != there and LEVEL[there] >= LEVEL[here]]
    assert upwards == []


def test_files_are_not_too_long():
    long = {str(file.relative_to(SRC)): lines for file in SRC.rglob("*.py") if (lines := length(file)) > 350}
    assert long == {}


def length(file):
    return len(file.read_text().splitlines())
