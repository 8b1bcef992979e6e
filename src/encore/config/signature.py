"""What a `_target_` takes, read from its source without importing it: answers about torch's classes without torch.

What cannot be told for certain (a decorator that may change the arguments, a class made by a call) is not guessed:
Python itself refuses a wrong argument when the part is built.
"""

import ast
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

# Base classes whose constructors take no setting.
PLAIN_BASES = {
    "torch.nn.Module", "torch.nn.modules.module.Module", "torch.nn.modules.Module", "object", "abc.ABC",
    "pytorch_lightning.Callback", "pytorch_lightning.LightningModule", "pytorch_lightning.LightningDataModule",
    "pytorch_lightning.callbacks.Callback", "pytorch_lightning.callbacks.callback.Callback",
    "lightning.pytorch.Callback", "lightning.pytorch.LightningModule", "lightning.pytorch.LightningDataModule",
}  # fmt: skip
# Decorators that leave the arguments as they are: Lightning's of its Trainer, scikit-learn's of its functions.
TRANSPARENT = ("_defaults_from_env_vars", "validate_params")
DEEPEST = 20  # re-exports followed from file to file
# By question: the search path, the files that told with the time of their change, and the answer.
KNOWN: dict[tuple[str, str], tuple[tuple[str, ...], dict[Path, int], Any]] = {}
READ: dict[Path, int] = {}  # the files that have told of the present question

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Parameter:
    """One argument that can be given by name."""

    annotation: ast.expr | None
    default: ast.expr | None  # None: required


@dataclass(frozen=True)
class Signature:
    """What a class or function takes.

    Attributes:
        parameters: its arguments by name, with those that its `**kwargs` hand to a base class.
        open: whether it takes any other as well.
        functions: the function, or the constructors that see the arguments, the outermost first, and the arguments
            of each that are not the caller's.
    """

    parameters: dict[str, Parameter]
    open: bool
    functions: tuple[tuple[Function, frozenset[str]], ...] = ()


def signature(target: str) -> Signature | None:
    """What a target takes; None if its source does not tell."""
    module, _, name = target.rpartition(".")
    try:
        found: Signature | None = answered((target, ""), lambda: of_name(module, name) if module else None)
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError, RecursionError):
        return None
    return found


def answered(question: tuple[str, str], find: Callable[[], Any]) -> Any:
    """What source files tell of a question, which is of a target.

    It is found again when one of the files that told has changed. The trees of those files are not kept: a run needs
    their memory (5 MB), and its sweep asks the same questions again (0.1 s a run).
    """
    searched = tuple(sys.path)
    known = KNOWN.get(question)
    if known is not None and known[0] == searched and all(changed(file) == when for file, when in known[1].items()):
        return known[2]
    READ.clear()
    told = find()
    if READ:
        KNOWN[question] = searched, dict(READ), told
    return told


def changed(file: Path) -> int | None:
    """When a file was changed, in ns; None if it is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def source_file(module: str) -> Path | None:
    """The file of a module, found without importing its packages."""
    return located(module, tuple(sys.path))


@functools.cache
def located(module: str, searched: tuple[str, ...]) -> Path | None:
    """The file of a module for a given search path."""
    path, origin, parts = None, None, module.split(".")
    for end in range(1, len(parts) + 1):
        spec = find(".".join(parts[:end]), path)
        if spec is None:
            return None
        path, origin = spec.submodule_search_locations, spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """A module's spec, from the finders that an import would use."""
    found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next((spec for spec in found if spec is not None), None)


def statements(module: str) -> tuple[ast.stmt, ...]:
    """The top level of a module; empty if it has no source."""
    file = source_file(module)
    if file is None:
        return ()
    READ[file] = when = file.stat().st_mtime_ns
    return parsed(file, when)


@functools.cache
def parsed(file: Path, when: int) -> tuple[ast.stmt, ...]:
    """The statements of a file; `when` invalidates the cache, since a notebook edits its modules."""
    return tuple(ast.parse(file.read_bytes()).body)


def of_name(module: str, name: str, deep: int = 0) -> Signature | None:
    """What a module's name takes, followed to where it is defined."""
    found = [statement for statement in statements(module) if name in defined(statement)]
    if len(found) != 1 or deep > DEEPEST:
        return None
    match found[0]:
        case ast.ClassDef() as made:
            return of_class(module, made, deep)
        case ast.FunctionDef() as made if transparent(made):
            return of_function(made, made.args.args)
        case ast.ImportFrom() as imported:
            original = next(alias.name for alias in imported.names if name in (alias.asname, alias.name))
            return of_name(absolute(module, imported), original, deep + 1)
    return None


def defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement of a module binds, including inside `if` and `try`."""
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name for alias in statement.names)
        case ast.Assign() | ast.AnnAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.If() | ast.Try():
            for inner in ast.walk(statement):
                if isinstance(inner, ast.stmt) and inner is not statement and not isinstance(inner, ast.If | ast.Try):
                    yield from defined(inner)


def absolute(module: str, imported: ast.ImportFrom) -> str:
    """The module that `from … import` names."""
    if not imported.level:
        return imported.module or ""
    file = source_file(module)
    package = module.split(".") if file is not None and file.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - imported.level + 1], *([imported.module] if imported.module else [])])


def of_function(function: Function, arguments: list[ast.arg]) -> Signature:
    """What a function takes by name: the given arguments, and the keyword-only ones."""
    defaults = function.args.defaults
    padded: list[ast.expr | None] = [None] * (len(arguments) - len(defaults)) + [*defaults[-len(arguments) or None :]]
    pairs = [
        *zip(arguments, padded, strict=True),
        *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True),
    ]
    parameters = {argument.arg: Parameter(argument.annotation, default) for argument, default in pairs}
    return Signature(parameters, function.args.kwarg is not None, ((function, frozenset()),))


def transparent(function: Function) -> bool:
    """Whether none of a function's decorators changes its arguments."""
    return all(ast.unparse(each).partition("(")[0] in TRANSPARENT for each in function.decorator_list)


def of_class(module: str, made: ast.ClassDef, deep: int) -> Signature | None:
    """What a class takes: the arguments of its constructor, or of the first base class that has one."""
    methods = {each.name: each for each in made.body if isinstance(each, Function)}
    if made.decorator_list or made.keywords or "__new__" in methods:
        return None
    constructor = methods.get("__init__")
    if constructor is None:
        return of_base(module, made, deep)
    if not transparent(constructor) or not constructor.args.args:
        return None
    own = of_function(constructor, constructor.args.args[1:])
    given = handed_on(constructor)
    base = None if given is None else of_base(module, made, deep)
    if given is None or base is None:
        return own
    hidden = given | own.parameters.keys()
    inherited = {name: parameter for name, parameter in base.parameters.items() if name not in hidden}
    above = [(function, others | hidden) for function, others in base.functions]
    return Signature({**own.parameters, **inherited}, base.open, (*own.functions, *above))


def handed_on(constructor: Function) -> set[str] | None:
    """What a constructor passes to `super().__init__` by name, if its `**kwargs` go there and nowhere else."""
    if constructor.args.kwarg is None:
        return None
    kwargs = constructor.args.kwarg.arg
    uses = [node for node in ast.walk(constructor) if isinstance(node, ast.Name) and node.id == kwargs]
    for call in ast.walk(constructor):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__" and len(uses) == 1:
            names = [keyword.arg for keyword in call.keywords]
            if None in names and uses[0] in [keyword.value for keyword in call.keywords] and not call.args:
                return {name for name in names if name is not None}
    return None


def of_base(module: str, made: ast.ClassDef, deep: int) -> Signature | None:
    """What a class without its own constructor takes."""
    places = [place_of(module, base) for base in made.bases]
    others = [place for place in places if place not in PLAIN_BASES]
    if not others:
        return Signature({}, open=False)
    above, _, name = (others[0] or "").rpartition(".")
    # Several bases: only Python can tell which gets what. torch's __init__ is long, and none of its names is worth it.
    if len(others) > 1 or above in ("", "torch"):
        return None
    return of_name(above, name, deep + 1)


def place_of(module: str, base: ast.expr) -> str | None:
    """The dotted name of a base class, according to the module's imports."""
    first, _, rest = ast.unparse(base).partition(".")
    for statement in statements(module):
        if first not in defined(statement):
            continue
        match statement:
            case ast.ClassDef():
                place = f"{module}.{first}"
            case ast.ImportFrom():
                original = next(alias.name for alias in statement.names if first in (alias.asname, alias.name))
                place = f"{absolute(module, statement)}.{original}"
            case ast.Import():
                place = next(alias.name for alias in statement.names if first == (alias.asname or alias.name))
            case _:
                return None
        return f"{place}.{rest}" if rest else place
    return first if first == "object" and not rest else None
