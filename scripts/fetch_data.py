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
    from encore.data.sources import open_source, verify  # torch only from here

    for cfg in configs:
        data, data_dir = cfg["data"], Path(cfg["data_dir"])
        if wanted.source:
            take(wanted.source, data_dir, data)
        verify(data, data_dir)
        for part in ("train", "test"):
            if data.get(part):
                print(f"{data['name']} {part}: {len(open_source(data[part], data, data_dir).targets):,} examples")
    return 0


def take(source: Path, data_dir: Path, data: dict) -> None:
    """Copy a dataset's files, archives or unpacked, to where torchvision looks for them; it checks them then.

    Raises:
        InputError: none of them is there.
    """
    places = wanted_files(data)
    found = {
        place: file
        for file in sorted(source.rglob("*"))
        for name, place in places.items()
        if file.is_file() and file.as_posix().endswith(f"/{name}")
    }
    if not found:
        raise InputError(f"{source} holds no file of data={data['name']}: {', '.join(sorted(places)) or 'it has none'}")
    for place, file in found.items():
        target = data_dir / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.resolve() != target.resolve():
            shutil.copyfile(file, target)
        print(f"{file} -> {target}")


def wanted_files(data: dict) -> dict[str, Path]:
    """A torchvision dataset's files: how their paths end, and where below the data folder they belong."""
    from encore.build import locate

    dataset = locate(data["train"]["_target_"])
    places: dict[str, Path] = {}
    for archive, _ in getattr(dataset, "resources", ()):  # MNIST and its kin
        for name in (archive, archive.removesuffix(".gz")):
            places[name] = Path(dataset.__name__) / "raw" / name
    if hasattr(dataset, "tgz_md5"):  # CIFAR
        places[dataset.filename] = Path(dataset.filename)
        lists = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], "")]
        for name, _ in lists:  # of names such as `train`: its folder has to be the right one, too
            places[f"{dataset.base_folder}/{name}"] = Path(dataset.base_folder) / name
    return places


if __name__ == "__main__":
    end(main)
