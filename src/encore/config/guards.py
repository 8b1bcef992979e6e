"""What a constructor refuses, found without importing it.

A constructor checks its settings in its first statements, `if …: raise ValueError(…)`, and nowhere else. These
statements are extracted from the source and run on a config's values, so that mistakes are reported before torch is
imported. Checks that use more than the arguments and Python's builtins run when the part is built.
"""

import ast
import builtins
from collections.abc import Iterator
from typing import Any

from encore.config.signature import Function, Signature

ALLOWED = (
    "ValueError", "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "frozenset", "int", "isinstance",
    "len", "list", "max", "min", "range", "repr", "round", "set", "sorted", "str", "sum", "tuple", "zip",
)  # fmt: skip
BUILTINS = {name: getattr(builtins, name) for name in ALLOWED}


def refusals(known: Signature, values: dict[str, Any]) -> Iterator[str]:
    """What the constructors of a signature say against the values that a config gives.

    Checks of other arguments are skipped: the engine may provide them, and defaults are the author's.
    """
    for function, hidden in known.functions:
        given = {name: value for name, value in values.items() if name not in hidden}
        said = [problem for guard in guards(function) if (problem := refusal(guard, given))]
        yield from said[:1]  # a constructor stops at the first


def guards(function: Function) -> Iterator[ast.If]:
    """The checks at the beginning of a function."""
    for statement in function.body:
        match statement:
            case ast.If(body=[ast.Raise(exc=ast.Call(func=ast.Name(id="ValueError")))], orelse=[]):
                yield statement
            case ast.Expr(value=ast.Constant()):  # the docstring
                continue
            case ast.Expr(value=ast.Call(func=called)) if ast.unparse(called) == "super().__init__":
                continue
            case _:
                return


def refusal(guard: ast.If, values: dict[str, Any]) -> str | None:
    """A check's message for some values; None if they pass, or if it needs more than these."""
    try:
        exec(compile(ast.Module([guard], []), "<guard>", "exec"), {"__builtins__": BUILTINS, **values})
    except ValueError as problem:
        return str(problem)
    except Exception:  # an unknown name or a value of another type: the constructor itself will report it
        return None
    return None
