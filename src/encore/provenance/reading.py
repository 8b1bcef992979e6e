"""What a source file computes with: its code without comments, docstrings and layout, and the modules it imports."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Raise it whenever the same source would be read differently.
VERSION = 2
# Fields of the syntax tree that depend only on a node's position.
IMPLIED = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
# Functions that load a module by its name or file.
LOADERS = (
    "import_module", "__import__", "exec", "eval", "find_spec", "load_module", "locate", "module_from_spec",
    "run_module", "run_path", "spec_from_file_location",
)  # fmt: skip
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Import:
    """One imported name.

    Attributes:
        module: dotted, without the dots of a relative import.
        name: what is taken from it, which may be a module itself; None where the module is imported as a whole.
        level: dots before the module.
    """

    module: str
    name: str | None = None
    level: int = 0


@dataclass(frozen=True)
class Reading:
    """What a source file contains.

    Attributes:
        digest: SHA-256 of what is compiled.
        imports: wherever they stand, except for type checkers.
        dynamic: whether it may load modules whose names it does not spell out.
    """

    digest: str
    imports: tuple[Import, ...]
    dynamic: bool = False


def read(source: bytes) -> Reading:
    """Read a source file; one that Python cannot parse counts byte by byte."""
    try:
        tree = ast.parse(source)
        parts: list[str] = []
        write(tree, parts)
        whole = "\n".join(parts).encode(errors="surrogatepass")
        return Reading(hashlib.sha256(whole).hexdigest(), imports(tree), any(map(loads_by_name, ast.walk(tree))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Reading(hashlib.sha256(source).hexdigest(), (), dynamic=True)


def write(node: Any, parts: list[str]) -> None:
    """Write a syntax tree so that two sources give the same text if and only if they compile to the same code.

    `ast.dump` and `ast.unparse` would do, but what they give changes between versions of Python.
    """
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        for field in node._fields:
            value: Any = getattr(node, field, None)
            if field == "body" and isinstance(node, WITH_DOCSTRING):
                value = without_docstring(value)
            if field not in IMPLIED and value is not None and value != []:
                parts.append(f".{field}")
                write(value, parts)
    elif isinstance(node, list):
        parts.append(f"[{len(node)}")
        for item in node:
            write(item, parts)
    else:
        parts.append(f"{type(node).__name__} {node!r}")


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and type(first.value.value) is str
    return body[1:] if docstring else body


def imports(tree: ast.Module) -> tuple[Import, ...]:
    """Every import in a source, once each, including those inside functions."""
    found: dict[Import, None] = {}
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and for_type_checkers(node.test):
            waiting.extend(node.orelse)
            continue
        found.update(dict.fromkeys(imported(node)))
        waiting.extend(ast.iter_child_nodes(node))
    return tuple(sorted(found, key=lambda one: (one.module, one.name or "", one.level)))


def loads_by_name(node: ast.AST) -> bool:
    """Whether a call loads a module whose name is not written there."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    spelt = bool(node.args) and isinstance(node.args[0], ast.Constant)
    return called in LOADERS and not spelt


def for_type_checkers(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING`, however it was imported."""
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)) == "TYPE_CHECKING"


def imported(node: ast.AST) -> Iterator[Import]:
    """What one node imports: a statement, or a call of `import_module` or `__import__` with a literal name."""
    if isinstance(node, ast.Import):
        yield from (Import(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (Import(node.module or "", alias.name, node.level) for alias in node.names)
    elif isinstance(node, ast.Call) and node.args:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        named = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if called in ("import_module", "__import__") and isinstance(named, str):
            module = named.lstrip(".")
            yield Import(module, level=len(named) - len(module))
