"""int8 nets of torch's own making, without further training (Jacob et al. 2018)."""

import copy
import warnings

from torch import Tensor, nn

from encore.errors import InputError


def dynamic(net: nn.Module) -> nn.Module | None:
    """Linear layers in int8, their inputs quantised batch by batch; None if the net has none."""
    if not any(isinstance(module, nn.Linear) for module in net.modules()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that this moves to another package
        from torch.ao.quantization import quantize_dynamic

        return quantize_dynamic(copy.deepcopy(net))


def static(net: nn.Module, inputs: Tensor) -> nn.Module:
    """All convolutions and linear layers in int8, with scales of activations that some inputs give.

    Args:
        net: in evaluation mode.
        inputs: training examples, float32 [n, *shape].

    Raises:
        InputError: torch cannot follow the net's `forward`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        from torch.ao.quantization import get_default_qconfig_mapping
        from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

        try:
            watched = prepare_fx(copy.deepcopy(net), get_default_qconfig_mapping("x86"), (inputs,))
            watched(inputs)
            made: nn.Module = convert_fx(watched)
        except Exception as problem:  # of torch.fx, which follows what it can
            raise InputError(f"{type(net).__name__} cannot be quantised: {problem}") from problem
    return made
