"""Download datasets with checksums, or take their files from a folder where they already are."""

import argparse
from pathlib import Path

from encore.config.compose import with_data_from
from encore.errors import InputError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a config in configs/data, such as fashion_mnist")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FOLDER", help="take the files from below this folder"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="destination folder (ENCORE_DATA_DIR, else data)")
    wanted = parser.parse_args()
    configs = [config_of(name, wanted.data_dir) for name in wanted.names]
    if wanted.source and not wanted.source.is_dir():
        raise InputError(f"there is no folder {wanted.source}")
    for cfg in configs:
        fetch(cfg, wanted.source)
    return 0


def config_of(name: str, data_dir: Path | str | None) -> dict:
    """A dataset's own config, with the folder that its files belong in."""
    return with_data_from({"data": name, **({"data_dir": str(data_dir)} if data_dir else {})})


def fetch(cfg: dict, source: Path | None = None) -> None:
    """Download what is missing of a dataset, or take it from a folder; say how many examples there are."""
    from encore.data.fetching import verify  # torch only from here
    from encore.data.published import take
    from encore.data.sources import fetch_again, open_source
    from encore.locks import locked

    data, data_dir = cfg["data"], Path(cfg["data_dir"])
    name = data["name"]
    if source:
        with locked(data_dir / f".{name}.lock", f"data={name} is being fetched by another process: waiting for it"):
            for file, place in take(source, data_dir, data):
                print(f"{file} -> {place}")
        verify(data, data_dir)
    else:
        fetch_again(data, data_dir)
    for part in ("train", "test"):
        if data.get(part):
            print(f"{name} {part}: {len(open_source(data[part], data, data_dir)):,} examples")
