"""Fully sharded data parallelism, torch's FSDP2: a rank keeps its share of weights, gradients and states."""

import copy
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from encore.errors import ConfigError

NAME = "fsdp"  # of trainer.strategy


class FullySharded(DDPStrategy):
    """Shard a task's `net` over the ranks while it trains; after that every rank has it whole.

    Each child of the net that has weights is a unit: they are gathered when it computes, and then let go. Checkpoints
    hold whole tensors, so they are those of any other run.
    """

    def configure_ddp(self) -> None:
        """Shard the net; its place is kept by one without memory for its weights."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        task: Any = self.lightning_module
        self.whole = without_weights(task.net)
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        for unit in task.net.children():
            if next(unit.parameters(), None) is not None and type(unit).forward is not nn.Module.forward:
                fully_shard(unit, mesh=mesh)
        fully_shard(task.net, mesh=mesh)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        self.share_buffers()
        return super().training_step(*args, **kwargs)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        self.share_buffers()
        return super().validation_step(*args, **kwargs)

    def share_buffers(self) -> None:
        """Give all ranks the first one's buffers, such as running statistics, as DDP does; checkpoints hold those."""
        assert self.lightning_module is not None
        for buffer in self.lightning_module.net.buffers():  # type: ignore[union-attr]
            distributed.broadcast(buffer, 0)

    def gather(self) -> None:
        """Give the task its net back, whole, on every rank."""
        task: Any = self.lightning_module
        states = state_dicts()
        held = states.get_model_state_dict(task.net, options=states.StateDictOptions(full_state_dict=True))
        self.whole.load_state_dict(held, assign=True)
        task.net = self.whole.train(task.net.training)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole task's weights, for the first rank; all have to call it."""
        assert self.lightning_module is not None
        found: dict[str, Any] = state_dicts().get_model_state_dict(self.lightning_module, options=on_the_first_rank())
        return found

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Tensor]:
        """The whole state, by the names of weights, for the first rank; all have to call it."""
        states, options = state_dicts(), on_the_first_rank()
        found: dict[str, Tensor] = states.get_optimizer_state_dict(self.lightning_module, optimizer, options=options)
        return found

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this rank's share of a whole state."""
        assert self.lightning_module is not None
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            options = on_the_first_rank()
            state_dicts().set_optimizer_state_dict(self.lightning_module, optimizer, state, options=options)


def state_dicts() -> Any:
    """torch's functions for whole states, which load sympy: other runs do without."""
    from torch.distributed.checkpoint import state_dict

    return state_dict


def on_the_first_rank() -> Any:
    """Options by which the first rank gets what is whole, in memory."""
    return state_dicts().StateDictOptions(full_state_dict=True, cpu_offload=True)


def without_weights(net: nn.Module) -> nn.Module:
    """A copy of a net whose weights take no memory; its buffers are copied."""
    bare = {
        id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
        for weight in net.parameters()
    }
    return copy.deepcopy(net, bare)


# Callbacks that need whole weights while they train, and views that look at them on the first rank alone.
WHOLE_ONLY = tuple(f"encore.callbacks.{name}" for name in ("ema", "averaging", "schedule_free", "sam"))
LOOKS_AT_WEIGHTS = tuple(
    f"encore.callbacks.views.{name}" for name in ("updates", "histograms", "first_layer", "embeddings", "watch")
)


def prepare_sharded(task: pl.LightningModule, callbacks: list[Any]) -> None:
    """Leave out the views that need the whole weights while a run trains.

    Raises:
        ConfigError: other parts need them.
    """
    if not isinstance(getattr(task, "net", None), nn.Module):
        raise ConfigError(f"trainer=fsdp shards a task's `net`, and {type(task).__name__} has none: trainer=ddp")
    if getattr(task, "weight_noise", 0):
        raise ConfigError("task.weight_noise needs the whole weights on each device: trainer=ddp")
    for callback in callbacks:
        if type(callback).__module__ in WHOLE_ONLY:
            raise ConfigError(f"{type(callback).__name__} needs the whole weights on each device: trainer=ddp")
    callbacks[:] = [callback for callback in callbacks if type(callback).__module__ not in LOOKS_AT_WEIGHTS]
