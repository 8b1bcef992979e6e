"""Download datasets with checksums, or take their files from a folder where they already are."""

import argparse
import shutil
from pathlib import Path

from encore.command import end
from encore.compose import config_from
from encore.errors import InputError


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a config in configs/data, such as fashion_mnist")
    parser.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="take files that lie below here")
    parser.add_argument("--data-dir", metavar="DIR", help="where to put them (ENCORE_DATA_DIR, else data)")
    wanted = parser.parse_args()
    where = {"data_dir": wanted.data_dir} if wanted.data_dir else {}
    configs = [config_from({"data": name, **where}) for name in wanted.names]
    if wanted.source and not wanted.source.is_dir():
        raise InputError(f"there is no folder {wanted.source}")
    from encore.data.sources import open_source  # torch only from here

    for cfg in configs:
        data, data_dir = cfg["data"], Path(cfg["data_dir"])
        if wanted.source:
            take(wanted.source, data_dir, data)
        for part in ("train", "test"):
            if data.get(part):
                print(f"{data['name']} {part}: {len(open_source(data[part], data, data_dir).targets):,} examples")
    return 0


def take(source: Path, data_dir: Path, data: dict) -> None:
    """Copy a dataset's files, archives or unpacked, to where torchvision looks for them; it checks them then.

    Raises:
        InputError: none of them is there.
    """
    places = wanted_files(data_dir, data)
    found = {file.name: file for file in sorted(source.rglob("*")) if file.is_file() and file.name in places}
    if not found:
        raise InputError(f"{source} holds no file of data={data['name']}: {', '.join(sorted(places)) or 'it has none'}")
    for name, file in found.items():
        places[name].parent.mkdir(parents=True, exist_ok=True)
        if file.resolve() != places[name].resolve():
            shutil.copyfile(file, places[name])
        print(f"{file} -> {places[name]}")


def wanted_files(data_dir: Path, data: dict) -> dict[str, Path]:
    """Where each of a torchvision dataset's files belongs, by name; none for other sources."""
    from encore.build import locate

    dataset = locate(data["train"]["_target_"])
    places: dict[str, Path] = {}
    for archive, _ in getattr(dataset, "resources", ()):  # MNIST and its kin
        raw = data_dir / dataset.__name__ / "raw"
        places |= {archive: raw / archive, archive.removesuffix(".gz"): raw / archive.removesuffix(".gz")}
    if hasattr(dataset, "tgz_md5"):  # CIFAR
        places[dataset.filename] = data_dir / dataset.filename
        lists = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], "")]
        places |= {name: data_dir / dataset.base_folder / name for name, _ in lists}
    return places


if __name__ == "__main__":
    end(main)
