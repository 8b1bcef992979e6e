"""Maximum likelihood: the likelihood curve, and the maximum that training found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.func import functional_call

from encore.analysis.pictures.colors import INK, color_of, marker_of
from encore.analysis.pictures.learned import Learned
from encore.analysis.results.axes import tidy
from encore.errors import InputError
from encore.runner.parts import build_task

STEPS = 1000  # of the parameter between 0 and 1


@dataclass(frozen=True)
class Climb:
    """What is drawn for a run.

    Attributes:
        parameter: its name.
        places: the parameter's values, from above 0 to below 1.
        values: the likelihood of the observations there, or its logarithm in nats; mean over the observations.
        start: the parameter before training, and the value there.
        found: the same after training.
    """

    title: str
    parameter: str
    observed: str
    logarithm: bool
    places: np.ndarray
    values: np.ndarray
    start: tuple[float, float]
    found: tuple[float, float]

    @property
    def top(self) -> float:
        """Where the curve is highest."""
        return float(self.places[self.values.argmax()])


def measure(run: Learned) -> Climb:
    """Evaluate the likelihood at each value of a run's one parameter.

    Raises:
        InputError: it has more than one, or one that is not a probability.
    """
    task, cfg = run.parts.task, run.cfg
    name, found = only_parameter(run)
    _, inputs, targets = next(run.splits())
    normalized = run.parts.data.normalize(inputs).double()

    def value(place: float) -> float:
        """The quantity that training maximises, with the parameter at a place."""
        weights = {name: torch.full_like(found, place, dtype=torch.float64)}
        outputs = functional_call(task.net, weights, (normalized,))  # type: ignore[arg-type]
        loss: Tensor = task.loss(outputs, targets.double())  # type: ignore[operator]
        return -loss.item()

    places = np.linspace(0, 1, STEPS + 1)[1:-1]
    start = dict(build_task(cfg).net.named_parameters())[name].item()  # type: ignore[union-attr]
    with torch.inference_mode():
        return Climb(
            run.title,
            name,
            observed(cfg, inputs, targets),
            cfg["task"]["logarithm"],
            places,
            np.array([value(place) for place in places]),
            (start, value(start)),
            (found.item(), value(found.item())),
        )


def only_parameter(run: Learned) -> tuple[str, Tensor]:
    """A net's one parameter, on the CPU."""
    found = [(name, weight.detach().cpu()) for name, weight in run.parts.task.net.cpu().named_parameters()]  # type: ignore[union-attr]
    if len(found) != 1 or found[0][1].numel() != 1 or not 0 <= found[0][1].item() <= 1:
        raise InputError(
            f"{run.run.folder}: a likelihood is drawn over one probability, and model={run.cfg['model']['name']} "
            f"has the parameters {', '.join(f'{name} {list(weight.shape)}' for name, weight in found)}"
        )
    return found[0]


def observed(cfg: dict, inputs: Tensor, targets: Tensor) -> str:
    """The observations in words."""
    if cfg["task"]["distribution"] == "Binomial":
        return f"{targets.sum():g} of {inputs.sum():g} observed"
    return f"{len(targets):,} observations"


def figure(found: Sequence[Climb]) -> Figure:
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    drawn = Figure(figsize=(1.2 + 4.8 * columns, 4.2 * rows), layout="constrained")
    panels = drawn.subplots(rows, columns, squeeze=False).flat
    for climb, axes in zip(found, panels, strict=False):
        axes.plot(climb.places, climb.values, color=INK, linewidth=1.5)
        for number, (name, point) in enumerate({"found": climb.found, "start": climb.start}.items()):
            label = f"{name}: {point[0]:.4f}"
            axes.plot(*point, marker_of(number), color=color_of(number), markeredgecolor=INK, label=label)
        top = f"maximum: {climb.top:.3f}"
        axes.axvline(climb.top, color="0.5", linestyle=":", linewidth=1, label=top)
        axes.set(
            xlabel=f"{climb.parameter}, a probability",
            ylabel="log-likelihood (nats)" if climb.logarithm else "likelihood",
            xlim=(0, 1),
        )
        axes.set_title(f"{climb.title}\n{climb.observed}", fontsize="medium")
        if climb.logarithm:  # it falls without bound towards 0 and 1
            axes.set_ylim(bottom=np.quantile(climb.values, 0.1))
        axes.legend(frameon=False, fontsize="small")
        tidy(axes)
    for axes in panels:
        axes.set_axis_off()
    return drawn
