"""What decides how fast a run is: settings of torch, on which its last bits depend, and, at the end, what is spared."""

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultMetric
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map_only

log = logging.getLogger("encore")


def convolutions_channels_last(net: nn.Module) -> None:
    """Lay the weights of two-dimensional convolutions out with channels last; their outputs follow."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not is_lazy(module.weight):
            module.to(memory_format=torch.channels_last)


def allow_tf32(allowed: bool | None) -> None:
    """Let CUDA multiply float32 with TF32's 10 bits of mantissa, or not; None leaves torch's own choice."""
    if allowed is not None:
        precision = "tf32" if allowed else "ieee"
        torch.backends.cuda.matmul.fp32_precision = precision
        torch.backends.cudnn.conv.fp32_precision = precision  # type: ignore[attr-defined]
        torch.backends.cudnn.rnn.fp32_precision = precision  # type: ignore[attr-defined]


def compile_net(settings: dict, net: nn.Module, device: torch.device) -> None:
    """Compile a net, or on CUDA record it as graphs, one for each pass, or both, if the trainer's settings ask for it.

    All is done anew for each length of a batch: one kernel for several lengths would be used from the second one on,
    so that a run that is gone on with within an epoch would meet it later, and end in other bits.
    """
    compiled, graphs = bool(settings.get("compile")), bool(settings.get("cuda_graphs"))
    if graphs and device.type != "cuda":
        log.info("trainer.cuda_graphs: there are none on %s", device.type)
        graphs = False
    if compiled or graphs:
        torch._dynamo.config.recompile_limit = 64  # beyond it torch compiles no more, and says nothing
        record = {"mode": "reduce-overhead"} if compiled else {"backend": "cudagraphs"}
        net.compile(dynamic=False, **(record if graphs else {}))
    if graphs:
        own_outputs(net)


def own_outputs(net: nn.Module) -> None:
    """Let a compiled net give copies: what a graph gives is overwritten when it is launched again."""
    launch = net._compiled_call_impl
    assert launch is not None

    def launch_and_copy(*args: Any, **kwargs: Any) -> Any:
        return tree_map_only(Tensor, Tensor.clone, launch(*args, **kwargs))

    net._compiled_call_impl = launch_and_copy


def give_back_memory() -> None:
    """Return the holes in the heap to the system, where its C library can: a run leaves some megabytes of them."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


@contextmanager
def spared(trainer: pl.Trainer) -> Iterator[None]:
    """Train without what torch and Lightning do for nobody."""
    with without_nvml(trainer), without_filling(), without_moving_logs():
        yield


@contextmanager
def without_nvml(trainer: pl.Trainer) -> Iterator[None]:
    """Spare a run on the CPU that every optimiser step asks NVML for GPUs, which takes 80 µs.

    Lightning sets the variable, so that asking leaves a process able to fork children that use CUDA.
    """
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    value = os.environ.pop(name, None) if trainer.strategy.root_device.type == "cpu" else None
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


@contextmanager
def without_filling() -> Iterator[None]:
    """Spare deterministic algorithms that memory is filled before it is first written to.

    That shows where a program reads what it has not written, and changes no bit of one that does not.
    """
    settings: Any = torch.utils.deterministic
    before, settings.fill_uninitialized_memory = settings.fill_uninitialized_memory, False
    try:
        yield
    finally:
        settings.fill_uninitialized_memory = before


@contextmanager
def without_moving_logs() -> Iterator[None]:
    """Spare Lightning that it moves every value's sum, each time it is logged, to where it is: 0.3 ms."""

    plain = _ResultMetric.to

    def to(sums: _ResultMetric, *args: Any, **kwargs: Any) -> _ResultMetric:
        here = getattr(sums, "value", None)
        if isinstance(here, Tensor) and args == (here.device,) and not kwargs:
            return sums
        return plain(sums, *args, **kwargs)

    _ResultMetric.to = to  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        _ResultMetric.to = plain  # type: ignore[method-assign]
