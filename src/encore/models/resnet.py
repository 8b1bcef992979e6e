"""ResNet-18 for small pictures."""

from collections.abc import Sequence

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet


class ResNet18(ResNet):
    """torchvision's ResNet-18 (He et al. 2016) with a stem for pictures of about 32 × 32 pixels.

    Args:
        in_shape: channels, height and width of a picture.
        num_outputs: number of outputs.

    Inputs [n, *in_shape], outputs logits [n, num_outputs]. 11.2 million parameters.
    """

    def __init__(self, in_shape: Sequence[int], num_outputs: int) -> None:
        if len(in_shape) != 3:
            raise ValueError(f"a ResNet needs inputs of [channels, height, width], not {list(in_shape)}")
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=num_outputs)
        self.conv1 = nn.Conv2d(in_shape[0], 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.maxpool = nn.Identity()
