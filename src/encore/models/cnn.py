"""A small convolutional net."""

from collections.abc import Sequence

from torch import Tensor, nn


class CNN(nn.Module):
    """Stages of 3 × 3 convolutions; 2 × 2 max pooling after each but the last, global average pooling after the last.

    Args:
        in_shape: channels, height and width of a picture.
        num_outputs: number of outputs.
        channels: number of channels of each stage.
        depth: blocks of convolution, batch norm and ReLU in a stage.
        dropout: dropout probability of the pooled features.

    Inputs [n, *in_shape], outputs logits [n, num_outputs]. The default has 272 thousand parameters for
    pictures of one channel and ten classes.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int] = (16, 64, 128),
        depth: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not channels or any(width < 1 for width in channels):
            raise ValueError(f"channels must list at least one stage, each at least 1, not {channels}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
        if len(in_shape) != 3:
            raise ValueError(f"a convolutional net needs inputs of [channels, height, width], not {list(in_shape)}")
        if min(in_shape[1:]) < 2 ** (len(channels) - 1):
            raise ValueError(
                f"{len(channels)} stages halve a picture {len(channels) - 1} times: "
                f"{in_shape[1]} × {in_shape[2]} pixels are too few"
            )
        layers: list[nn.Module] = []
        before = in_shape[0]
        for stage, width in enumerate(channels):
            if stage:
                layers.append(nn.MaxPool2d(2))
            for _ in range(depth):
                layers += [
                    nn.Conv2d(before, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                before = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(before, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classifier(self.features(inputs).mean((2, 3)))
