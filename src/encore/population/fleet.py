"""The training of all members of a population, epoch by epoch and step by step."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from encore.callbacks.checkpoints import SHARE
from encore.callbacks.losses import EVERY, advice
from encore.data.loaders import Order
from encore.errors import ConfigError, Diverged, EncoreError
from encore.population.batches import Batches, Pass
from encore.population.logs import Logs
from encore.population.member import Member
from encore.population.network import Network
from encore.population.programs import Programs
from encore.population.scores import Scores
from encore.population.slab import Slab
from encore.seeding import derive, seed_generators

NORMS = "encore.callbacks.norms.Norms"  # not imported: its code counts for runs that have it
# Numbers that torch's kernels may handle in another way at the end of a tensor: at least as many are a copy's.
TAIL = 32


class Fleet:
    """Members and their rows.

    Args:
        size: how many members the arithmetic is of.
        members: those that train here.
        programs: as `Network` takes them.
    """

    def __init__(self, size: int, members: Sequence[Member], programs: Programs) -> None:
        self.members, first = list(members), members[0]
        self.task, self.trainer, self.device = first.task, first.trainer, first.trainer.strategy.root_device
        batch, examples = first.data.batch_size, first.data.sizes["train"]
        self.rows = size + -(-TAIL // (examples % batch or batch))
        for row, member in enumerate(self.members):
            member.row = row
        names = {id(parameter): name for name, parameter in self.task.named_parameters()}
        self.slabs = [
            Slab([names[id(each)] for each in group["params"]], group, type(first.optimizer), self.rows)
            for group in first.optimizer.param_groups
        ]
        for row in range(self.rows):
            of = self.members[row] if row < len(self.members) else first
            for slab, group in zip(self.slabs, of.optimizer.param_groups, strict=True):
                slab.take(row, of.optimizer, group)
        self.leaves = {name: leaf for slab in self.slabs for name, leaf in slab.leaves.items()}
        self.of_leaves = [gradient for slab in self.slabs for gradient in slab.of_leaves.values()]
        held = [dict(member.task.named_buffers()) for member in self.members]
        held += [held[0]] * (self.rows - len(held))
        buffers = {name: torch.stack([each[name] for each in held]) for name in held[0]}
        self.network = Network(self.task, list(self.leaves), buffers, programs)
        rows = [member.row for member in self.members]
        self.scores = {
            split: Scores([getattr(each.task, f"{split}_tally") for each in self.members], rows, self.rows, self.device)
            for split in ("train", "val")
        }
        augmented = bool(self.task.augmentations)
        self.random = bool(augmented or self.network.dropouts or self.task.weight_noise)
        orders = [member.order for member in self.members]
        constant = not self.random and all(type(each) is Order and each.seed is None for each in orders)
        self.batches = Batches(self.members, self.rows, constant, augmented)
        self.by_step = any(config.interval == "step" for config in self.trainer.lr_scheduler_configs)
        self.log_every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        norms = first.named(NORMS)
        norms_every = 0 if norms is None else norms.every or self.log_every
        self.logs = Logs(self.slabs, self.leaves, self.log_every, norms_every)
        self.unseen: list[tuple[Tensor, list[Member]]] = []
        self.compared = False
        self.saved, self.cost = time.monotonic(), 0.0

    @property
    def active(self) -> list[Member]:
        return [member for member in self.members if member.active]

    def train(self, told: Callable[[int], object]) -> None:
        """Train until every member has ended; what ended one that did not finish is its `problem`.

        Args:
            told: is called after each epoch, with the number of those that are complete.
        """
        try:
            for member in self.members:
                member.optimizer._opt_called = True  # type: ignore[attr-defined]
            while active := self.active:
                self.epoch(active)
                told(max(member.epoch for member in active))
                self.pause()
        finally:
            for member in self.members:
                member.give_back(self.slabs)

    def epoch(self, members: list[Member]) -> None:
        """Train and validate one epoch of each."""
        for member in members:
            if self.batches.are_kept(member):
                member.data.note(member.epoch, member.order.indices)
            else:
                member.begin_epoch()
        self.sums = torch.zeros(self.rows, device=self.device)  # of losses, finite as long as they are
        self.blocks = blocks(members)
        longest = max(member.batches_per_epoch for member in members)
        for index in range(longest):
            self.step([each for each in members if index < each.batches_per_epoch], index)
        self.check(members)
        members = [member for member in members if member.active]
        means: dict[Member, dict[str, Any]] = {member: {} for member in members}
        for member in members:
            member.schedule("epoch", member.epoch, plateau=False)
        if members and self.trainer.enable_validation:
            self.validate()
            for member, found in zip(self.members, self.scores["val"].means(), strict=True):
                if member.active:
                    means[member] |= member.task.numbers("val", found)
        for member, found in zip(self.members, self.scores["train"].means(), strict=True):
            if member.active:
                means[member] |= member.task.numbers("train", found)
        for member, values in means.items():
            try:
                member.metrics.update(values)
                if "val/loss" in values and not math.isfinite(values["val/loss"]):
                    member.losses.on_validation_end(member.trainer, member.task)
                member.end_epoch(values)
                member.choose(self.slabs)
            except EncoreError as problem:
                self.look()
                member.end(problem)
        if ending := [member for member in members if member.active and member.loop.done]:
            self.look()
            for member in ending:
                if member.active:
                    member.end()

    def step(self, members: list[Member], index: int) -> None:
        """Take a step on each member's next batch."""
        given = self.batches.given(members, index)
        looking = []
        for member in members:
            if index == 0 or member.steps % self.log_every == 0:
                member.log({"optim/lr": member.lr}, member.steps)
            if index == 0 and member.lookers and member.look(given[member], self.slabs):
                looking.append(member)
        batches, masks, noise = self.prepared(given, index)
        losses = self.gradients(self.batches.passes_of(batches, index), masks, noise)
        for member in looking:
            member.looked(given[member], batches[member][0], self.slabs)
        self.logs.norms(members)
        self.clip()
        measured = self.logs.measured(members) if index == 0 else {}
        for first, end, example in self.blocks if len(members) == len(self.active) else blocks(members):
            for slab, group in zip(self.slabs, example.optimizer.param_groups, strict=True):
                slab.step(first, end, group, example.steps)
        self.logs.updates(measured)
        if not self.compared:
            self.compare(members[0], given, losses, index)
        self.unseen.append((losses, members))
        self.sums += losses
        self.logs.losses(losses, members)
        for member in members:
            member.steps += 1
            if self.by_step:
                member.schedule("step", index, plateau=False)
        if self.by_step:
            self.blocks = blocks(self.active)
        if len(self.unseen) >= EVERY:
            self.look()

    def compare(self, member: Member, given: dict[Member, Any], losses: Tensor, index: int) -> None:
        """Hold a first loss to that of the run alone: a net that does something else in a batch of nets must not train.

        Raises:
            ConfigError: they differ.
        """
        self.compared = True
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            seed_generators(derive(member.seed, "step", member.epoch, index, 0), self.device)
            alone = float(member.task.attempt(given[member]).loss)
        together = float(losses[member.row])
        if not math.isclose(alone, together, rel_tol=1e-3, abs_tol=1e-5) and math.isfinite(alone):
            raise ConfigError(
                f"the first loss is {together:.6g} with others and {alone:.6g} alone: this model cannot be trained as "
                "one of a population; population=null, or another hydra/launcher, runs it alone"
            )

    def prepared(
        self, given: dict[Member, Any], index: int
    ) -> tuple[dict[Member, Any], dict[Member, list[Tensor]], dict[Member, list[Tensor]]]:
        """Batches as the net sees them, and the masks and noise that go with them: what each run alone would draw."""
        if not self.random:
            return given, {}, {}
        batches, masks, noise = {}, {}, {}
        for member, (inputs, targets) in given.items():
            seed_generators(derive(member.seed, "step", member.epoch, index, 0), self.device)
            for augment in member.task.augmentations:
                inputs, targets = augment(inputs, targets)
            batches[member] = inputs, targets
            if self.task.weight_noise:
                noise[member] = [torch.randn_like(each) for each in member.task.net.parameters()]
            masks[member] = self.network.draw_masks(inputs)
        return batches, masks, noise

    def gradients(
        self, passes: list[Pass], masks: dict[Member, list[Tensor]], noise: dict[Member, list[Tensor]]
    ) -> Tensor:
        """Compute the gradients of all members' losses, in passes of all rows; returns the losses, [rows]."""
        losses = torch.zeros(self.rows, device=self.device)
        whole = sum(len(each.members) for each in passes) == len(self.active) and len(passes) == 1
        kept = [] if whole else [slab.gradients.clone() for slab in self.slabs]
        for members, inputs, targets in passes:
            of_layers = [
                self.batches.stacked({m: masks[m][layer] for m in members})
                for layer in range(len(self.network.dropouts))
            ]
            passed = self.network.step(self.weights(noise, members), inputs, targets, of_layers)
            torch._foreach_copy_(self.of_leaves, passed.gradients)
            rows = None if whole else [member.row for member in members]
            self.scores["train"].update(passed, inputs.shape[1], rows)
            if rows is None:
                return passed.losses
            losses[rows] = passed.losses[rows]
            for slab, held in zip(self.slabs, kept, strict=True):
                held[rows] = slab.gradients[rows]
        for slab, held in zip(self.slabs, kept, strict=True):
            slab.gradients.copy_(held)
        return losses

    def weights(self, noise: dict[Member, list[Tensor]], members: list[Member]) -> list[Tensor]:
        """The weights of a step, noisy where the task adds noise to them."""
        if not noise:
            return list(self.leaves.values())
        names = [f"net.{name}" for name, _ in self.task.net.named_parameters()]
        added = {name: self.batches.stacked({m: noise[m][place] for m in members}) for place, name in enumerate(names)}
        return [leaf + self.task.weight_noise * added[name] for name, leaf in self.leaves.items()]

    def clip(self) -> None:
        """Clip each row's gradients as Lightning does a run's."""
        limit = self.trainer.gradient_clip_val
        if not limit:
            return
        gradients = [slab.gradients for slab in self.slabs]
        if str(self.trainer.gradient_clip_algorithm or "norm") == "value":
            torch._foreach_clamp_max_(gradients, limit)
            torch._foreach_clamp_min_(gradients, -limit)
            return
        norms = torch.stack([torch.linalg.vector_norm(each, dim=1) for each in gradients]).norm(dim=0)
        share = (limit / (norms + 1e-6)).clamp(max=1.0)
        for each in gradients:
            each.mul_(share[:, None])

    def check(self, members: list[Member]) -> None:
        """End members whose losses or weights are not finite."""
        if not math.isfinite(float(self.sums[[member.row for member in members]].sum())):
            self.look()
        sizes = torch.stack([torch.linalg.vector_norm(slab.weights, dim=1) for slab in self.slabs])
        if not math.isfinite(float(sizes.sum())):
            sound = sizes.isfinite().all(0).tolist()
            for member in members:
                if member.active and not sound[member.row]:
                    self.look()
                    member.end(
                        Diverged(advice("the weights are not finite", member.steps - 1, member.epoch, member.lr))
                    )

    def look(self) -> None:
        """Write the losses that are not on disk yet; end members that have one that is not finite."""
        if not self.unseen:
            return
        values = torch.stack([losses for losses, _ in self.unseen]).cpu()
        taken: dict[Member, list[int]] = {}
        for place, (_, members) in enumerate(self.unseen):
            for member in members:
                taken.setdefault(member, []).append(place)
        self.unseen = []
        for member, places in taken.items():
            if member.active:
                steps = range(member.steps - len(places), member.steps)
                try:
                    member.losses.keep(values[places, member.row], [(step, member.lr) for step in steps])
                except EncoreError as problem:
                    member.end(problem)

    def validate(self) -> None:
        """Score the validation examples of all rows."""
        for members, inputs, targets in self.batches.validation_passes():
            passed = self.network.evaluate(list(self.leaves.values()), inputs, targets)
            whole = len(members) == len(self.members)
            rows = None if whole else [member.row for member in members]
            self.scores["val"].update(passed, inputs.shape[1], rows)

    def pause(self) -> None:
        """Save if it is due, and stop if asked to."""
        active = self.active
        stop = next((each.position.stop for each in self.members if each.position.stop.asked is not None), None)
        if not active or not (self.due() or stop is not None):
            return
        self.look()
        began = time.monotonic()
        for member in self.active:
            member.save(self.slabs)
        self.saved = time.monotonic()
        self.cost = self.saved - began
        if stop is not None:
            for member in self.active:
                member.position.stop.asked = stop.asked
                member.end(member.position.stop.end(f"the same command continues from step {member.steps}"))

    def due(self) -> bool:
        """Whether enough time has passed since checkpoints were written last."""
        saver = self.members[0].checkpoints
        if saver is None:
            return False
        least = saver.min_seconds_between and max(saver.min_seconds_between, self.cost / SHARE)
        return time.monotonic() - self.saved >= least


def blocks(members: Sequence[Member]) -> list[tuple[int, int, Member]]:
    """Rows that take the same step: the first and the end of each block, and one of its members."""
    found: list[tuple[int, int, Member]] = []
    before: Any = None
    for member in members:
        settings = (
            [
                {name: value for name, value in group.items() if name != "params"}
                for group in member.optimizer.param_groups
            ],
            member.steps,
        )
        if found and found[-1][1] == member.row and settings == before:
            found[-1] = (found[-1][0], member.row + 1, found[-1][2])
        else:
            found.append((member.row, member.row + 1, member))
        before = settings
    return found
