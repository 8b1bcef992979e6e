"""Normalised pictures as values from 0 to 1, for augmentations that were published for pixels."""

from typing import Any

from torch import Tensor

from encore.data.batch import AnyBatch, Inputs, Targets


class OnPixels:
    """Change pictures [n, c, h, w] as values from 0, black, to 1; a subclass says how.

    Args:
        normalize: the config's `data.normalize`: `none` or `minmax`, with which they are that already, or constants.
    """

    def __init__(self, normalize: Any = "none") -> None:
        if not (normalize in ("none", "minmax") or (isinstance(normalize, dict) and set(normalize) == {"mean", "std"})):
            raise ValueError(
                f"normalize must be none, minmax or constants, not {normalize}: pixels from 0 to 1 are changed; "
                "data.normalize=minmax keeps them"
            )
        self.constants = normalize if isinstance(normalize, dict) else None

    def change(self, pictures: Tensor) -> Tensor:
        """Pictures of values from 0 to 1."""
        raise NotImplementedError

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Pictures [n, c, h, w] with one or three channels."""
        if not isinstance(inputs, Tensor) or inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
            raise ValueError(f"{type(self).__name__} changes pictures with one or three channels, and no other inputs")
        if self.constants is None:
            return self.change(inputs.clamp(0, 1)), targets
        mean, std = (inputs.new_tensor(self.constants[key])[:, None, None] for key in ("mean", "std"))
        return (self.change((inputs * std + mean).clamp(0, 1)) - mean) / std, targets
