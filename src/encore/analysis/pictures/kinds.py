"""The kinds of pictures of what a run has learned, and the runs that each fits."""

from collections.abc import Callable
from dataclasses import dataclass

from encore.config.facts import show


@dataclass(frozen=True)
class Kind:
    """A kind of picture.

    Attributes:
        shows: what it shows.
        takes: the runs that it fits, in words.
        fits: whether it fits a run's config.
    """

    shows: str
    takes: str
    fits: Callable[[dict], bool]


def has_classes(cfg: dict) -> bool:
    return cfg["data"].get("num_classes") is not None


def is_likelihood(cfg: dict) -> bool:
    """Whether a distribution's parameters are learned."""
    return str(cfg["task"]["_target_"]).endswith(".Likelihood")


def is_fit(cfg: dict) -> bool:
    """Whether one number is learned from another."""
    one = cfg["data"]["shape"] == [1] and cfg["task"].get("num_outputs") == 1
    return one and not has_classes(cfg) and not is_likelihood(cfg)


def is_in_the_plane(cfg: dict) -> bool:
    """Whether classes are learned from two numbers."""
    return cfg["data"]["shape"] == [2] and has_classes(cfg)


def has_pictures(cfg: dict) -> bool:
    """Whether classes of pictures are learned."""
    shape = cfg["data"]["shape"]
    return (
        isinstance(shape, list) and len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 1 and has_classes(cfg)
    )


# The first kind that fits a run is its default.
KINDS = {
    "fit": Kind("the line through the measurements, and the losses", "one number learned from another", is_fit),
    "likelihood": Kind("its curve, and the maximum found", "task=likelihood", is_likelihood),
    "regions": Kind(
        "the class predicted at each point of the plane", "inputs of two numbers, and classes", is_in_the_plane
    ),
    "mistakes": Kind("wrongly classified pictures, the most confident first", "pictures, and classes", has_pictures),
}


def objection(cfg: dict, kind: str | None) -> str | None:
    """Why a run cannot be drawn as a kind, or at all if None is named; says what would work. None if it can."""
    fitting = [name for name, each in KINDS.items() if each.fits(cfg)]
    if kind in fitting or (kind is None and fitting):
        return None
    data = cfg["data"]
    targets = f"{data['num_classes']} classes" if has_classes(cfg) else "numbers as targets"
    has = f"data={data['name']} has inputs of shape {show(data['shape'])} and {targets}"
    if fitting:
        assert kind is not None
        return f"cannot be drawn as {kind}, which takes {KINDS[kind].takes}; it can be as {', '.join(fitting)}"
    every = "; ".join(f"{name} takes {each.takes}" for name, each in KINDS.items())
    return f"cannot be drawn: {has}, and {every}"


def default(cfg: dict) -> str:
    """The default kind of a run that can be drawn."""
    return next(name for name, kind in KINDS.items() if kind.fits(cfg))
