"""What TensorBoard shows beside scalars: pictures, histograms, curves, texts, and points in the projector."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from encore.files import make_folder, replace, write_text, writing

THRESHOLDS = 51  # of a precision-recall curve
PROJECTOR = "projector"


class Showing:
    """The methods of `encore.loggers.contract.Showing` for a logger with a SummaryWriter."""

    folder: Path

    @property
    def writer(self) -> SummaryWriter:
        """The writer of events."""
        raise NotImplementedError

    @rank_zero_only
    def show_image(self, tag: str, picture: np.ndarray, step: int) -> None:
        """Show a picture, uint8 [height, width, 3]."""
        height, width, channels = picture.shape
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png(picture))
        with writing(self.folder):
            self.writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    @rank_zero_only
    def show_scalars(self, values: dict[str, float], step: int) -> None:
        """Show numbers that are no results."""
        shown = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        with writing(self.folder):
            self.writer._get_file_writer().add_summary(Summary(value=shown), step)

    @rank_zero_only
    def show_histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Show how finite values, [n], are distributed."""
        with writing(self.folder):
            self.writer.add_histogram(tag, values, step, bins=30)

    @rank_zero_only
    def show_precision_recall(self, tag: str, belongs: np.ndarray, probabilities: np.ndarray, step: int) -> None:
        """Show precision against recall: whether examples belong to a class, bool [n], and how likely that is, [n]."""
        with writing(self.folder):
            self.writer.add_pr_curve(tag, belongs, probabilities, step, num_thresholds=THRESHOLDS)

    @rank_zero_only
    def show_text(self, tag: str, markdown: str, step: int) -> None:
        with writing(self.folder):
            self.writer.add_text(tag, markdown, step)

    @rank_zero_only
    def show_points(self, tag: str, points: np.ndarray, labels: list[Sequence[str]], pictures: Any) -> None:
        """Show points in the projector; a later call replaces them.

        Args:
            tag: their name.
            points: float [n, dimensions].
            labels: a heading, and then a row a point.
            pictures: uint8 [n, side, side, 3], or None.
        """
        place = self.folder / PROJECTOR
        make_folder(place)
        write_text(place / "points.tsv", "\n".join("\t".join(map("%.4g".__mod__, row)) for row in points.tolist()))
        write_text(place / "labels.tsv", "\n".join("\t".join(" ".join(each.split()) for each in row) for row in labels))
        lines = [f'tensor_name: "{tag}"', f'tensor_path: "{PROJECTOR}/points.tsv"',
                 f'metadata_path: "{PROJECTOR}/labels.tsv"']  # fmt: skip
        if pictures is not None:
            replace(place / "pictures.png", png(sprite(pictures)))
            height, width = pictures.shape[1:3]
            size = f"single_image_dim: {width} single_image_dim: {height}"
            lines.append(f'sprite {{ image_path: "{PROJECTOR}/pictures.png" {size} }}')
        write_text(self.folder / "projector_config.pbtxt", "embeddings {\n  " + "\n  ".join(lines) + "\n}\n")


def png(picture: np.ndarray) -> bytes:
    """A picture's file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def sprite(pictures: np.ndarray) -> np.ndarray:
    """Small pictures in one, as the projector reads them: in rows, as many as there are in a row."""
    count, height, width, channels = pictures.shape
    across = math.ceil(math.sqrt(count))
    whole = np.full((across**2, height, width, channels), 255, np.uint8)
    whole[:count] = pictures
    return whole.reshape(across, across, height, width, channels).swapaxes(1, 2).reshape(across * height, -1, channels)
