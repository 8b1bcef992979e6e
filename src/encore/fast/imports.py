"""What Lightning and torch import and most runs never use, loaded when something of it is used.

torchmetrics imports torchvision, transformers and scipy.signal for a few of its metrics, and matplotlib to plot them;
compiler.py says who imports torch's compiler.
"""

import builtins
import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from encore.fast import compiler

METRICS = "torchmetrics"
OF_METRICS = ("matplotlib", "torchvision", "transformers", "scipy")
# A metric that uses this package needs what torchmetrics changes in scipy as it is imported.
NEEDS_SCIPY_CHANGED = "gammatone"


def later() -> None:
    """From now on, in this process, load them when something of them is used; what is loaded already stays."""
    if not any(isinstance(finder, Later) for finder in sys.meta_path):
        sys.meta_path.insert(0, Later())


class Later(MetaPathFinder):
    """Finds torchmetrics and torch's compiler before Python does."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == METRICS:
            spec = PathFinder.find_spec(name, path)
            if spec is not None and spec.loader is not None:
                spec.loader = WithoutPackages(spec.loader)
            return spec
        if (module := compiler.stands_for(name)) is not None:
            return ModuleSpec(name, Existing(module))
        if not compiler.is_within(name):
            return None
        compiler.load()
        if name in sys.modules:
            return ModuleSpec(name, Existing(sys.modules[name]))
        return PathFinder.find_spec(name, sys.modules[name.rpartition(".")[0]].__path__)


class Existing(Loader):
    """Gives a module that exists."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        if self.spec is not None:
            module.__spec__ = self.spec


class WithoutPackages(Loader):
    """Imports torchmetrics, and gives its own imports of some packages names that load them when used."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.plain.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self.plain
        plain = builtins.__import__
        hidden = OF_METRICS if find_spec(NEEDS_SCIPY_CHANGED) is None else OF_METRICS[:-1]

        def of_metrics(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
            package = name.partition(".")[0]
            if level == 0 and package in hidden and str((globals or {}).get("__name__")).startswith(METRICS):
                return Deferred(partial(importlib.import_module, name if fromlist else package))
            return plain(name, globals, locals, fromlist, level)

        builtins.__import__, Deferred.importing = of_metrics, True
        try:
            self.plain.exec_module(module)
        finally:
            builtins.__import__, Deferred.importing = plain, False


class Deferred:
    """Something of a package that is loaded when it is used: called, asked for an attribute, a class to compare with.

    While torchmetrics is imported, its attributes and what calling it gives are not used yet, either: they are names
    that are imported, annotations and decorators.

    Args:
        found: gives what this stands for.
    """

    importing = False

    def __init__(self, found: Callable[[], Any]) -> None:
        self._found = cache(found)

    def __getattr__(self, name: str) -> Any:
        if not Deferred.importing:
            return getattr(self._found(), name)
        if name.startswith("__"):  # what Python asks of any object
            raise AttributeError(name)
        return Deferred(lambda: attribute(self._found(), name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if Deferred.importing:
            return Deferred(lambda: self._found()(*args, **kwargs))
        return self._found()(*args, **kwargs)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._found())

    def __subclasscheck__(self, value: type) -> bool:
        return issubclass(value, self._found())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._found(),)


def attribute(of: Any, name: str) -> Any:
    """An attribute of something, or a package's module that has not been loaded."""
    if isinstance(of, ModuleType) and not hasattr(of, name):
        return importlib.import_module(f"{of.__name__}.{name}")
    return getattr(of, name)
