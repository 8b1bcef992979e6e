"""Settings of torch that affect speed, and on which a run's last bits depend."""

import logging
import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map_only

log = logging.getLogger("encore")


def convolutions_channels_last(net: nn.Module) -> None:
    """Store the weights of two-dimensional convolutions with channels last; their outputs follow."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not is_lazy(module.weight):
            module.to(memory_format=torch.channels_last)


def allow_tf32(allowed: bool | None) -> None:
    """Allow or forbid TF32, with its 10 bits of mantissa, on CUDA; None leaves torch's own choice.

    It is set in the older way: where only the newer one has been used, torch refuses to say what is set in the older,
    which Lightning asks before a run on a GPU, and torch's compiler before it compiles.
    """
    if allowed is not None:
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed


def reproducible_cublas(settings: dict) -> None:
    """Let CUDA multiply matrices reproducibly, if the trainer asks for it.

    torch looks at the variable once, when something is multiplied first, which may be before Lightning sets it.
    """
    if settings.get("deterministic") and settings.get("accelerator") != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def compile_net(settings: dict, net: nn.Module, device: torch.device) -> None:
    """Compile a net, or on CUDA capture it as graphs, one per pass, or both, as the trainer's settings ask.

    Everything is compiled separately for each batch length: one kernel for several lengths would be used from the
    second one on, so that a run that is resumed within an epoch would meet it later, and end in other bits.
    """
    compiled, graphs = bool(settings.get("compile")), bool(settings.get("cuda_graphs"))
    if graphs and device.type != "cuda":
        log.info("trainer.cuda_graphs: not available on %s", device.type)
        graphs = False
    if compiled or graphs:
        torch._dynamo.config.recompile_limit = 64  # beyond it torch silently stops compiling
        record = {"mode": "reduce-overhead"} if compiled else {"backend": "cudagraphs"}
        net.compile(dynamic=False, **(record if graphs else {}))
    if graphs:
        own_outputs(net)


def own_outputs(net: nn.Module) -> None:
    """Make a compiled net return copies: a graph's outputs are overwritten when it is launched again."""
    launch = net._compiled_call_impl
    assert launch is not None

    def launch_and_copy(*args: Any, **kwargs: Any) -> Any:
        return tree_map_only(Tensor, Tensor.clone, launch(*args, **kwargs))

    net._compiled_call_impl = launch_and_copy
