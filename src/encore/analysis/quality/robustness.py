"""How accuracy falls as pictures get worse: noise, blur, rotation and less contrast, in five strengths each."""

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as change

from encore.analysis.pictures.colors import INK, color_of, marker_of
from encore.analysis.quality.examples import Examples
from encore.analysis.quality.scores import predicted
from encore.analysis.results.axes import plain, tidy
from encore.data.sources import ArraySource
from encore.errors import InputError
from encore.use.inputs import Array
from encore.use.model import Model

STRENGTHS = 5
SEED = 0  # of the noise
Change = Callable[[Tensor, float], Tensor]


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian whose sigma is a share of the pictures' shorter side."""
    pixels = sigma * min(pictures.shape[-2:])
    return change.gaussian_blur(pictures, [2 * round(3 * pixels) + 1] * 2, [pixels, pixels])


def rotated(pictures: Tensor, degrees: float) -> Tensor:
    return change.rotate(pictures, degrees, InterpolationMode.BILINEAR)


# Each takes pictures of values from 0 to 1, [n, channels, height, width]; before it stands what its strengths are.
CHANGES: dict[str, tuple[str, Change, tuple[float, ...]]] = {
    "noise": (
        "σ 0.05 to 0.3, white being 1",
        lambda x, s: change.gaussian_noise(x, 0.0, s),
        (0.05, 0.1, 0.15, 0.2, 0.3),
    ),
    "blur": ("σ 2 % to 12 % of the side", blurred, (0.02, 0.04, 0.06, 0.08, 0.12)),
    "rotation": ("by 10° to 60°", rotated, (10, 20, 30, 45, 60)),
    "contrast": ("80 % to 20 % of it is left", change.adjust_contrast, (0.8, 0.6, 0.4, 0.3, 0.2)),
}
Curves = dict[str, list[float]]


def measure(model: Model, examples: Examples) -> Curves:
    """Accuracy by change, at strengths 0 (as they are) to 5.

    Raises:
        InputError: the model reads no pictures, or predicts no classes.
    """
    array = model.inputs.alone
    if array is None or not array.is_picture:
        raise InputError(f"{model.folder} reads no pictures of 1 or 3 channels: --robustness is for these")
    clean = accuracy(model, examples)
    return {
        name: [clean, *(accuracy(model, changed(examples, array, apply, each)) for each in strengths)]
        for name, (_, apply, strengths) in CHANGES.items()
    }


def accuracy(model: Model, examples: Examples) -> float:
    found, targets = predicted(model, examples)
    return float((torch.from_numpy(found.values) == targets).double().mean())


def changed(examples: Examples, array: Array, apply: Change, strength: float) -> Examples:
    """The examples, each changed; noise is the same on every call."""
    low, high = array.range or (0.0, 255.0)
    source, parts = examples.source, []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for chunk in examples.indices.split(1024):
            pictures = (source.read(chunk.tolist()).float() - low) / ((high - low) or 1)
            made = apply(pictures, strength).clamp(0, 1) * (high - low) + low
            parts.append((made if array.dtype.is_floating_point else made.round()).to(array.dtype))
    targets = source.targets[examples.indices]
    return Examples(ArraySource(torch.cat(parts), targets), torch.arange(len(targets)), examples.name)


def figure(title: str, found: Curves) -> Figure:
    """One line for each change."""
    drawn = Figure(figsize=(6.4, 4), layout="constrained")
    axes = drawn.subplots()
    for number, (name, line) in enumerate(found.items()):
        label = f"{name}, {CHANGES[name][0]}"
        axes.plot(range(len(line)), line, color=color_of(number), marker=marker_of(number), label=label)
    axes.set(xlabel="strength", ylabel="accuracy", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(plain(title), fontsize="medium", color=INK)
    axes.legend(frameon=False, fontsize="small", loc="lower left")
    tidy(axes)
    return drawn
