"""Pack a dataset into shards with digests, which are read fast from a disk or from object storage."""

import argparse
from pathlib import Path
from typing import Any

from encore.config.compose import with_data_from
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=f"{__doc__} Pictures in files stay as they are, unless --shape is given; all else is stored as "
        "arrays of data.shape."
    )
    parser.add_argument("words", nargs="+", metavar="WORD", help="a folder of pictures, a folder a class; or data=…")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to make")
    parser.add_argument("--shape", metavar="C,H,W", help="decode and resize now: more bytes, no decoding in training")
    parser.add_argument("--test", action="store_true", help="pack the config's test set, data.test")
    parser.add_argument("--shard-mib", type=int, default=64, metavar="MIB", help="size of a shard (64)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read and decode (2)")
    wanted = parser.parse_intermixed_args()
    if wanted.shard_mib < 1 or wanted.workers < 0:
        raise ConfigError("--shard-mib must be at least 1, and --workers at least 0")
    shape = None if wanted.shape is None else shape_of(wanted.shape)
    folder = wanted.words[0] if len(wanted.words) == 1 and "=" not in wanted.words[0] else None
    if folder is not None and wanted.test:
        raise ConfigError(f"--test is for data=…; a folder of test pictures is packed as {folder} is")
    source = of_folder(folder, shape) if folder else of_config(wanted.words, shape, "test" if wanted.test else "train")
    from encore.data.packed.writer import pack  # torch only from here
    from encore.runner.interruptions import told_to_stop

    as_files = shape is None and hasattr(getattr(source, "dataset", None), "paths")
    with told_to_stop():
        digest = pack(source, wanted.out, as_files, wanted.shard_mib * 2**20, wanted.workers)
    print(f"{len(source):,} examples in {wanted.out}, digest {digest}")
    print("python train.py data=packed " + " ".join(settings(source, wanted.out, folder is not None and as_files)))


def shape_of(text: str) -> list[int]:
    """A shape as it is typed.

    Raises:
        ConfigError: it is none of a picture.
    """
    try:
        shape = [int(part) for part in text.split(",")]
    except ValueError:
        shape = []
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
        raise ConfigError(f"--shape {text}: must be 1 or 3, then height and width, such as 3,64,64")
    return shape


def of_folder(folder: str, shape: list[int] | None) -> Any:
    """Pictures in folders, as a source."""
    import torch

    from encore.data.readers.folders import PictureFolder
    from encore.data.sources import MapSource

    pictures = PictureFolder(folder)
    return MapSource(pictures, torch.tensor(pictures.targets), shape or (3, 1, 1))


def of_config(words: list[str], shape: list[int] | None, part: str) -> Any:
    """The training or test source of a config."""
    cfg = with_data_from([*words, *([f"data.shape=[{','.join(map(str, shape))}]"] if shape else [])])
    data = cfg["data"] | {"resident": False}
    if not data.get(part):
        raise ConfigError(f"--test: data={data['name']} has no data.test")
    from encore.data.sources import open_source

    return open_source(data[part], data, Path(cfg["data_dir"]))


def settings(source: Any, out: Path, any_shape: bool) -> list[str]:
    """What a run on a packed dataset needs; a shape in capital letters is the user's to choose."""
    shape = "3,H,W" if any_shape else ",".join(map(str, source.read([0]).shape[1:]))
    classes = source.classes or (range(int(source.targets.max()) + 1) if not source.targets.is_floating_point() else ())
    return [f"data.path={out}", f"data.num_classes={len(classes) or 'null'}", f"'data.shape=[{shape}]'"]
