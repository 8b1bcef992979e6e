"""What TensorBoard shows beside scalars: pictures, histograms, curves, texts, and points in the projector."""

import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from encore.files import make_folder, replace, write_text, writing

THRESHOLDS, BINS = 51, 30  # of a precision-recall curve, and of a histogram
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
            # `add_histogram` takes twice the time
            self.writer.add_histogram_raw(tag, global_step=step, **histogram(values.astype(np.float64)))

    @rank_zero_only
    def show_precision_recall(self, tag: str, belongs: np.ndarray, probabilities: np.ndarray, step: int) -> None:
        """Show precision against recall: whether examples belong to a class, bool [n], and how likely that is, [n]."""
        with writing(self.folder):
            found = curve(belongs, probabilities)
            self.writer.add_pr_curve_raw(tag, global_step=step, num_thresholds=THRESHOLDS, **found)

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
        write_text(place / "points.tsv", table("%.4g", points))
        write_text(place / "labels.tsv", "\n".join("\t".join(" ".join(each.split()) for each in row) for row in labels))
        lines = [f'tensor_name: "{tag}"', f'tensor_path: "{PROJECTOR}/points.tsv"',
                 f'metadata_path: "{PROJECTOR}/labels.tsv"']  # fmt: skip
        if pictures is not None:
            replace(place / "pictures.png", png(sprite(pictures)))
            height, width = pictures.shape[1:3]
            size = f"single_image_dim: {width} single_image_dim: {height}"
            lines.append(f'sprite {{ image_path: "{PROJECTOR}/pictures.png" {size} }}')
        write_text(self.folder / "projector_config.pbtxt", "embeddings {\n  " + "\n  ".join(lines) + "\n}\n")


def histogram(values: np.ndarray) -> dict[str, Any]:
    """Finite values, float64 [n], counted in bins of equal width, as `SummaryWriter.add_histogram_raw` takes them."""
    low, high = float(values.min()), float(values.max())
    room = 0.0 if low < high else max(0.5, abs(low) * 1e-6)
    begin, end = low - room, high + room
    places = ((values - begin) * (BINS / (end - begin))).astype(np.intp).clip(0, BINS - 1)
    return {
        "min": low, "max": high, "num": len(values), "sum": float(values.sum()), "sum_squares": float(values @ values),
        "bucket_limits": np.linspace(begin, end, BINS + 1).tolist(),
        "bucket_counts": [0, *np.bincount(places, minlength=BINS).tolist()],
    }  # fmt: skip


def curve(belongs: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """What `SummaryWriter.add_pr_curve_raw` takes, each float64 [thresholds].

    Args:
        belongs: whether examples belong to a class, bool [n].
        probabilities: how likely that is, [n].
    """
    places = (probabilities * (THRESHOLDS - 1)).astype(np.intp).clip(0, THRESHOLDS - 1)
    of_each = (np.bincount(places[which], minlength=THRESHOLDS) for which in (belongs, ~belongs))
    true, false = (counts[::-1].cumsum()[::-1].astype(np.float64) for counts in of_each)
    return {
        "true_positive_counts": true, "false_positive_counts": false,
        "true_negative_counts": false[0] - false, "false_negative_counts": true[0] - true,
        "precision": true / (true + false).clip(1e-7), "recall": true / true[:1].clip(1e-7),
    }  # fmt: skip


def table(form: str, numbers: np.ndarray) -> str:
    """Numbers [n, k] in lines, divided by tabs."""
    line = "\t".join([form] * numbers.shape[1])
    return "\n".join(line % tuple(row) for row in numbers.tolist())


def png(picture: np.ndarray) -> bytes:
    """The file of a picture, uint8 [height, width, channels]; Pillow takes twice the time: it tries five filters a row.

    Source: Portable Network Graphics, W3C Recommendation, sections 5 to 11.
    """
    height, width, channels = picture.shape
    if picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is uint8 [height, width, channels], not {picture.dtype} {list(picture.shape)}")
    rows = picture.reshape(height, -1)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = 2  # filter "up": differences from the row above
    np.copyto(lines[:1, 1:], rows[:1])
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def sprite(pictures: np.ndarray) -> np.ndarray:
    """Small pictures in one, as the projector reads them: in rows, as many as there are in a row."""
    count, height, width, channels = pictures.shape
    across = math.ceil(math.sqrt(count))
    whole = np.full((across**2, height, width, channels), 255, np.uint8)
    whole[:count] = pictures
    return whole.reshape(across, across, height, width, channels).swapaxes(1, 2).reshape(across * height, -1, channels)
