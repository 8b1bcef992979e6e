"""Classes in the plane: the predicted class and its probability everywhere, and the boundary."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from encore.analysis.pictures.colors import INK, color_of, marker_of, pale
from encore.analysis.pictures.learned import Learned
from encore.analysis.results.axes import plain, tidy

PLACES = 241  # along each axis
MARGIN = 0.25  # around the examples, of their spread
WHITE = (1.0, 1.0, 1.0)
FLAT = 1e-3  # up to which probabilities that differ no more have no boundary to be seen


@dataclass(frozen=True)
class Regions:
    """What is drawn for a run.

    Attributes:
        axes: names of the two inputs.
        across, up: the plane's raw inputs, [PLACES] each.
        probabilities: of each class there, [PLACES up, PLACES across, classes].
        inputs: raw training examples, [n, 2].
        targets: their classes, [n].
        right: how many are classified correctly.
        classes: names.
    """

    title: str
    axes: tuple[str, str]
    across: np.ndarray
    up: np.ndarray
    probabilities: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    right: int
    classes: list[str]


def measure(run: Learned) -> Regions:
    """Evaluate a run's class probabilities all over the plane around its training examples."""
    _, inputs, targets = next(run.splits())
    low, high = inputs.double().amin(0), inputs.double().amax(0)
    margin = MARGIN * torch.where(high > low, high - low, 1.0)
    across, up = (
        torch.linspace(float(begin), float(end), PLACES) for begin, end in zip(low - margin, high + margin, strict=True)
    )
    plane = torch.cartesian_prod(up, across).flip(1)
    found = run.probabilities(run.outputs(plane)).numpy()
    decided = run.decision(run.outputs(inputs))
    axes = run.axis("inputs", 0, "first input"), run.axis("inputs", 1, "second input")
    return Regions(
        run.title, axes, across.numpy(), up.numpy(), found.reshape(PLACES, PLACES, -1), inputs.numpy(), targets.numpy(),
        int((decided == targets).sum()), run.classes(),
    )  # fmt: skip


def figure(found: Sequence[Regions]) -> Figure:
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    drawn = Figure(figsize=(1.2 + 4.2 * columns, 4.6 * rows), layout="constrained")
    panels = drawn.subplots(rows, columns, squeeze=False).flat
    shaded: dict[tuple[str, ...], tuple[AxesImage, list[Axes]]] = {}
    for regions, axes in zip(found, panels, strict=False):
        if len(regions.classes) == 2:
            image = two(axes, regions)
            shaded.setdefault(tuple(regions.classes), (image, []))[1].append(axes)
        else:
            several(axes, regions)
        examples(axes, regions)
    legend(drawn, found)
    for names, (image, beside) in shaded.items():
        drawn.colorbar(image, ax=beside, label=f"probability of class {plain(names[1])}", shrink=0.8)
    for axes in panels:
        axes.set_axis_off()
    return drawn


def two(axes: Axes, regions: Regions) -> AxesImage:
    """The probability of the second of two classes, and where it is 0.5."""
    second = regions.probabilities[..., 1]
    shades = LinearSegmentedColormap.from_list("classes", [pale(0, 0.7), WHITE, pale(1, 0.7)])
    image = axes.imshow(second, cmap=shades, vmin=0, vmax=1, **placed(regions))
    if np.ptp(second) > FLAT:
        boundary(axes, regions, second - 0.5)
    else:
        text = f"{second.mean():.2f} everywhere"
        axes.text(0.5, 0.5, text, ha="center", va="center", color=INK, transform=axes.transAxes)
    return image


def several(axes: Axes, regions: Regions) -> None:
    """Class colours mixed by probability, with the boundaries where two classes tie."""
    grounds = np.array([pale(number) for number in range(len(regions.classes))])
    axes.imshow(regions.probabilities @ grounds, **placed(regions))
    for number in range(len(regions.classes)):
        others = np.delete(regions.probabilities, number, -1).max(-1)
        boundary(axes, regions, regions.probabilities[..., number] - others)


def boundary(axes: Axes, regions: Regions, lead: np.ndarray) -> None:
    """Draw where a class's lead over the others is 0, if anywhere."""
    if lead.min() < 0 < lead.max():
        axes.contour(regions.across, regions.up, lead, levels=[0.0], colors=INK, linewidths=1.5)


def placed(regions: Regions) -> dict:
    """Arguments that place an image of the plane."""
    edges = (*regions.across[[0, -1]], *regions.up[[0, -1]])
    return {"origin": "lower", "extent": edges, "aspect": "auto", "interpolation": "bilinear"}


def examples(axes: Axes, regions: Regions) -> None:
    """Draw the training examples by class, and how many are classified correctly."""
    few = len(regions.targets) <= 20
    for number in range(len(regions.classes)):
        members = regions.inputs[regions.targets == number]
        axes.plot(
            *members.T, marker_of(number), color=color_of(number), markersize=10 if few else 5, markeredgecolor=INK,
            markeredgewidth=1.0 if few else 0.5,
        )  # fmt: skip
    said = f"{regions.right:,} of {len(regions.targets):,} training examples right"
    axes.set(xlabel=regions.axes[0], ylabel=regions.axes[1])
    axes.set_title(f"{regions.title}\n{said}", fontsize="medium")
    tidy(axes)
    axes.grid(visible=False)


def legend(drawn: Figure, found: Sequence[Regions]) -> None:
    """One legend for all panels: class colours, markers and the boundary."""
    entries = dict.fromkeys(each for regions in found for each in enumerate(regions.classes))
    handles = [
        Line2D([], [], linestyle="", marker=marker_of(number), color=color_of(number), markeredgecolor=INK,
               label=f"class {plain(name)}")
        for number, name in entries
    ]  # fmt: skip
    handles.append(Line2D([], [], color=INK, linewidth=1.5, label="boundary: two are equally probable"))
    drawn.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False)
