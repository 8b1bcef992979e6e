"""Formats for packed datasets: size, and reading batches of examples in a random order, in one process.

uv run --with litdata --with webdataset --with mosaicml-streaming python -m benchmarks.formats FOLDER [FORMAT …]

FOLDER has pictures, one folder a class. A format whose package does not fit this environment is named and left out.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

BATCH = 128
SHARD = 10_000  # examples; 64 MiB where a format asks for bytes
Files = list[tuple[Path, int]]
Read = Callable[[list[int]], list[bytes]]  # a batch


def arrow(files: Files, out: Path) -> Read:
    """What Encore packs and reads."""
    import torch

    from encore.data.packed.reader import Packed
    from encore.data.packed.writer import pack
    from encore.data.readers.folders import PictureFolder
    from encore.data.sources import MapSource

    folder = PictureFolder(str(files[0][0].parent.parent))
    pack(MapSource(folder, torch.tensor(folder.targets), (3, 1, 1)), out / "packed", as_files=True, workers=0)
    held = Packed(str(out / "packed"))

    def read(batch: list[int]) -> list[bytes]:
        shards = np.searchsorted(held.starts, batch, "right") - 1
        numbers = np.asarray(batch) - held.starts[shards]
        return [each for shard in np.unique(shards) for each in held.shard(shard).read(numbers[shards == shard])]

    return read


def datasets(files: Files, out: Path) -> Read:
    from datasets import Dataset, Features, Value, load_from_disk

    columns = Features({"input": Value("binary"), "target": Value("int64")})
    made = Dataset.from_generator(lambda: rows(files), features=columns, cache_dir=str(out / "made"))
    made.save_to_disk(str(out / "saved"))
    shutil.rmtree(out / "made")
    held = load_from_disk(str(out / "saved"))
    return lambda batch: list(held[batch]["input"])


def parquet(files: Files, out: Path) -> Read:
    """A row group of 100 examples is read for one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    every = []
    for begin in range(0, len(files), SHARD):
        place = out / f"{begin}.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows(files[begin : begin + SHARD]))), place, row_group_size=100)
        every.append(pq.ParquetFile(place))

    def one(index: int) -> bytes:
        group = every[index // SHARD].read_row_group(index % SHARD // 100, columns=["input"])
        content: bytes = group.column(0)[index % 100].as_py()
        return content

    return lambda batch: list(map(one, batch))


def litdata(files: Files, out: Path) -> Read:
    from litdata import StreamingDataset
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(out), chunk_bytes=2**26)
    for index, row in enumerate(rows(files)):
        writer.add_item(index, (row["input"], row["target"]))
    writer.done()
    writer.merge()
    held = StreamingDataset(str(out))
    return lambda batch: [held[index][0] for index in batch]


def mosaicml(files: Files, out: Path) -> Read:
    from streaming import MDSWriter
    from streaming.base.format import reader_from_json

    kinds = {"input": "bytes", "target": "int"}
    with MDSWriter(out=str(out), columns=kinds, size_limit=2**26, hashes=["sha1"]) as writer:
        for row in rows(files):
            writer.write(row)
    shards = [
        reader_from_json(str(out), None, one)
        for one in json.loads((out / "index.json").read_text(encoding="utf-8"))["shards"]
    ]
    ends = np.cumsum([0, *(one.samples for one in shards)])

    def one(index: int) -> bytes:
        shard = int(np.searchsorted(ends, index, "right")) - 1
        content: bytes = shards[shard][index - ends[shard]]["input"]
        return content

    return lambda batch: list(map(one, batch))


def webdataset(files: Files, out: Path) -> Read:
    """In the order in which it was written: it has no other."""
    from webdataset import ShardWriter, WebDataset

    with ShardWriter(str(out / "%06d.tar"), maxcount=SHARD, verbose=0) as writer:
        for index, row in enumerate(rows(files)):
            writer.write({"__key__": f"{index:08}", "jpg": row["input"], "cls": row["target"]})
    held = WebDataset(sorted(map(str, out.glob("*.tar"))), shardshuffle=False).repeat()
    examples = iter(held)
    return lambda batch: [next(examples)["jpg"] for _ in batch]


def folder(files: Files, out: Path) -> Read:
    """No format: the files."""
    return lambda batch: [files[index][0].read_bytes() for index in batch]


FORMATS = {form.__name__: form for form in (folder, arrow, datasets, parquet, litdata, mosaicml, webdataset)}


def rows(files: Files) -> Iterator[dict[str, Any]]:
    for path, target in files:
        yield {"input": path.read_bytes(), "target": target}


def main() -> None:
    root, names = Path(sys.argv[1]), sys.argv[2:] or list(FORMATS)
    classes = sorted(path for path in root.iterdir() if path.is_dir())
    files = [(path, number) for number, one in enumerate(classes) for path in sorted(one.iterdir())]
    order = np.random.default_rng(0).permutation(len(files)).tolist()
    total = sum(path.stat().st_size for path, _ in files)
    print(f"{len(files):,} pictures, {total:,} bytes")
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            try:
                read = FORMATS[name](files, Path(place))
                print(f"{name:10}  size {size(place) / total:4.2f}  {speed(read, order)}")
            except Exception as problem:  # whatever a package of another age makes of this environment
                print(f"{name:10} {type(problem).__name__}: {problem}")


def size(place: str) -> int:
    return sum(path.stat().st_size for path in Path(place).rglob("*") if path.is_file())


def speed(read: Read, order: list[int]) -> str:
    """Examples a CPU second, the median of three passes."""
    took = []
    for _ in range(3):
        begun = time.process_time()
        for begin in range(0, len(order), BATCH):
            read(order[begin : begin + BATCH])
        took.append(time.process_time() - begun)
    return f"{len(order) / median(took):9,.0f} examples a CPU second"


if __name__ == "__main__":
    main()
