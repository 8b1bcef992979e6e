"""torch's compiler, loaded when something of it is used.

torch's optimisers, Lightning and the switch for deterministic algorithms import it, to mark what is never compiled, to
ask whether something is, and to set what it should do: all of which can be done later, as nothing is compiled before.
Modules that stand for those of the compiler do so; what is asked of them beyond that loads it.
"""

import importlib
import sys
from functools import cache, wraps
from inspect import isfunction
from types import ModuleType
from typing import Any


class StandIn(ModuleType):
    """Stands for a module of the compiler until something of it is used."""

    active: dict[str, "StandIn"] = {}  # noqa: RUF012 (of the whole process)
    loading = False
    __path__: Any = ()  # a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not is_loaded():  # whoever looks at all modules asks for their files
            raise AttributeError(f"module {self.__name__} has no attribute {name} before it is loaded")
        return getattr(real(self.__name__), name)

    def hand_over(self) -> None:
        """Do with the real module what was asked of this one; it has been loaded."""


def real(name: str) -> ModuleType:
    """A module of the compiler, which is loaded if it has not been."""
    if StandIn.active and not StandIn.loading:
        load()
    return importlib.import_module(name)


def load() -> None:
    """Let the compiler's own modules take the places of those that stand for them."""
    standing, StandIn.loading = dict(StandIn.active), True
    for name in standing:
        sys.modules.pop(name, None)
    try:
        for name in standing:
            importlib.import_module(name)
    except BaseException:
        sys.modules.update(standing)
        raise
    finally:
        StandIn.loading = False
    StandIn.active.clear()
    for module in standing.values():
        module.hand_over()


def is_loaded() -> bool:
    """Whether the compiler may compile something."""
    return not StandIn.active or StandIn.loading


class Dynamo(StandIn):
    """Stands for `torch._dynamo`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.undisabled: list[Any] = []
        self.OptimizedModule = Compiled("OptimizedModule", (), {})

    def graph_break(self, *args: Any, **kwargs: Any) -> None:
        """Nothing, where nothing is compiled."""
        if is_loaded():
            real(self.__name__).graph_break(*args, **kwargs)

    def disable(self, fn: Any = None, recursive: bool = True, **kwargs: Any) -> Any:
        """A function that is never compiled: itself, where nothing is."""
        if is_loaded() or not isfunction(fn):
            return real(self.__name__).disable(fn, recursive, **kwargs)
        if kwargs.get("wrapping") is False:  # torch asks at each call of a function that has no answer
            self.undisabled.append(fn)
            return fn

        @cache
        def disabled() -> Any:
            return real(self.__name__).disable(fn, recursive, **kwargs)

        @wraps(fn)
        def either(*args: Any, **named: Any) -> Any:
            return (disabled() if is_loaded() else fn)(*args, **named)

        return either

    def hand_over(self) -> None:
        for function in self.undisabled:
            if getattr(function, "__dynamo_disable", None) is function:
                delattr(function, "__dynamo_disable")


class Compiled(type):
    """Stands for the class of compiled modules, of which there are none where nothing is compiled."""

    def __instancecheck__(cls, value: object) -> bool:
        return is_loaded() and isinstance(value, real("torch._dynamo").OptimizedModule)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return real("torch._dynamo").OptimizedModule(*args, **kwargs)


class InductorSettings(StandIn):
    """Stands for `torch._inductor.config`: keeps settings until there is something to set."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["given"] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        elif is_loaded():
            setattr(real(self.__name__), name, value)
        else:
            self.given[name] = value

    def hand_over(self) -> None:
        for name, value in self.given.items():
            setattr(real(self.__name__), name, value)


STAND_INS: dict[str, type[StandIn]] = {
    "torch._dynamo": Dynamo,
    "torch._inductor": StandIn,
    "torch._inductor.config": InductorSettings,
}


def stands_for(name: str) -> ModuleType | None:
    """A module that stands for one of the compiler, if it is not loaded."""
    package = name.rpartition(".")[0]
    if name not in STAND_INS or StandIn.loading or (package != "torch" and package not in StandIn.active):
        return None
    StandIn.active[name] = made = STAND_INS[name](name)
    return made


def is_within(name: str) -> bool:
    """Whether a module is one within what others stand for."""
    return not StandIn.loading and any(name.startswith(f"{standing}.") for standing in StandIn.active)
