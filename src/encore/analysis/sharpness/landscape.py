"""The loss over examples as a function of a net's weights: its value, and its curvature."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call

Batch = tuple[Tensor, Tensor]


class Landscape:
    """The loss of a net in evaluation mode, mean over examples, around its weights.

    Args:
        net: the net, left unchanged; frozen weights are not part of the landscape.
        loss: of outputs and targets, averaged over their examples.
        batches: yields all examples each time it is called.
    """

    def __init__(
        self, net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], batches: Callable[[], Iterable[Batch]]
    ) -> None:
        self.net, self.mean_loss, self.batches = net, loss, batches
        self.weights = {name: weight for name, weight in net.named_parameters() if weight.requires_grad}

    def loss(self, direction: dict[str, Tensor], step: float) -> float:
        """The loss after a step in a direction, which has the weights' names and shapes."""
        moved = {name: weight + step * direction[name] for name, weight in self.weights.items()}
        total, count = 0.0, 0
        with torch.no_grad():
            for inputs, targets in self.batches():
                loss = self.mean_loss(functional_call(self.net, moved, (inputs,)), targets)
                total += float(loss) * len(inputs)
                count += len(inputs)
        return total / count

    def hessian_product(self, vector: Tensor) -> Tensor:
        """The loss's Hessian times a vector, [n] like all weights one after the other (Pearlmutter 1994).

        Exact, a batch at a time, by the gradient of the gradient's product with the vector.
        """
        weights = list(self.weights.values())
        total, count = torch.zeros_like(vector), 0
        for inputs, targets in self.batches():
            loss = self.mean_loss(self.net(inputs), targets)
            slope = flat(torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True))
            total += flat(torch.autograd.grad(slope @ vector, weights, materialize_grads=True)) * len(inputs)
            count += len(inputs)
        return total / count


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors concatenated into a vector."""
    return torch.cat([tensor.flatten() for tensor in tensors])
