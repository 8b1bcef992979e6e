"""The types of a batch."""

from torch import Tensor

# Normalised, [n, *shape]. Several arrays, or ragged ones, are a dict: the net is called `net(**inputs)`.
Inputs = Tensor | dict[str, Tensor]
# Several targets are a dict; None: the dataset has no target.
Targets = Tensor | dict[str, Tensor] | None

Batch = tuple[Tensor, Tensor]  # one input and one target: inputs [n, *shape], targets [n, …]
AnyBatch = tuple[Inputs, Targets]
