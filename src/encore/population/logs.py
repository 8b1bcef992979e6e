"""What the members of a population log of single steps."""

from typing import Any

import torch
from torch import Tensor

from encore.population.member import Member
from encore.population.slab import Slab


class Logs:
    """Logs for all members at once.

    Args:
        slabs: the weights and gradients of all rows.
        leaves: the weights by name, [rows, *shape].
        log_every, norms_every: steps between two of these values; 0: none.
    """

    def __init__(self, slabs: list[Slab], leaves: dict[str, Tensor], log_every: int, norms_every: int) -> None:
        self.slabs, self.leaves = slabs, leaves
        self.log_every, self.norms_every = log_every, norms_every

    def norms(self, members: list[Member]) -> None:
        due = [each for each in members if self.norms_every and each.steps % self.norms_every == 0]
        if due:
            gradients, weights = (
                torch.stack([torch.linalg.vector_norm(getattr(slab, what), dim=1) for slab in self.slabs]).norm(dim=0)
                for what in ("gradients", "weights")
            )
            found = torch.stack([gradients, weights]).tolist()
            for member in due:
                values = {"optim/grad_norm": found[0][member.row], "optim/param_norm": found[1][member.row]}
                member.log(values, member.steps)

    def measured(self, members: list[Member]) -> dict[str, Any]:
        """Copies of the weights before a step whose change somebody wants to know."""
        asking = [each for each in members if each.updates is not None and each.updates.due(each.trainer)]
        if not asking:
            return {}
        layers = {name: leaf for name, leaf in self.leaves.items() if leaf.ndim > 2}
        return {"members": asking, "before": {name: leaf.clone() for name, leaf in layers.items()}}

    def updates(self, measured: dict[str, Any]) -> None:
        if not measured:
            return
        ratios = {
            name.removeprefix("net.").removesuffix(".weight"): norms_of(self.leaves[name].detach() - before)
            / norms_of(before)
            for name, before in measured["before"].items()
        }
        found = torch.stack(list(ratios.values())).cpu()
        for member in measured["members"]:
            member.log(member.updates.kept(ratios, found[:, member.row].tolist()), member.steps)

    def losses(self, losses: Tensor, members: list[Member]) -> None:
        due = [each for each in members if each.steps % self.log_every == 0]
        if due:
            values = losses.tolist()
            for member in due:
                member.log({"train/batch_loss": values[member.row]}, member.steps)


def norms_of(rows: Tensor) -> Tensor:
    return torch.linalg.vector_norm(rows.flatten(1), dim=1)
