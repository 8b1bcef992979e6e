"""Files of datasets that others published: which ones, by which digests they are known, and how they come here."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encore.config.build import locate, takes
from encore.errors import InputError
from encore.files import copy_whole, sha256


@dataclass(frozen=True)
class Published:
    """A file of a dataset.

    Attributes:
        place: where it belongs, below the data folder.
        sha256: its digest, where the dataset's config states it.
        md5: its digest, where torchvision states it.
        urls: addresses that it can be fetched from, the first one first; for datasets that do not fetch by themselves.
    """

    place: Path
    sha256: str | None = None
    md5: str | None = None
    urls: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether a file can be told from others of its name."""
        return bool(self.sha256 or self.md5)

    def is_same(self, file: Path) -> bool:
        """Whether a file has the digest, or lies in a folder of the right name where none is known."""
        if self.sha256:
            return sha256(file) == self.sha256
        if self.md5:
            return md5(file) == self.md5
        return file.parts[-2:] == self.place.parts[-2:] or file.parts[-2:] == (self.place.parts[0], file.name)


def published(data: dict) -> list[Published]:
    """The files of a dataset, archives and unpacked."""
    stated = {Path(place): digest for place, digest in (data.get("sha256") or {}).items()}
    found = {place: Published(place, digest or None) for place, digest in stated.items()}
    dataset = locate(data["train"]["_target_"])
    for name, digest in resources(dataset):  # MNIST and its kin
        folder = Path(dataset.__name__) / "raw"
        found[folder / name] = Published(folder / name, md5=digest)
        unpacked = folder / Path(name).stem
        found.setdefault(unpacked, Published(unpacked))
    found |= {one.place: one for one in getattr(dataset, "published", ())}  # a class of one's own
    if hasattr(dataset, "tgz_md5"):  # CIFAR
        archive = Path(dataset.filename)
        found[archive] = Published(archive, md5=dataset.tgz_md5)
        for name, digest in [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]:
            place = Path(dataset.base_folder) / name
            found[place] = Published(place, md5=digest)
    return list(found.values())


def resources(dataset: Any) -> list[tuple[str, str]]:
    """The archives that a dataset of MNIST's kind states, and their MD5 sums."""
    stated = getattr(dataset, "resources", ())
    if isinstance(stated, dict):  # QMNIST's: by part, with whole addresses
        stated = [each for part in stated.values() for each in part]
    return [(address.rpartition("/")[2], digest) for address, digest in stated]


def can_be_fetched(target: str) -> bool:
    """Whether a dataset fetches its files by itself, or says where they are."""
    return takes(target, "download") or any(one.urls for one in getattr(locate(target), "published", ()))


def take(source: Path, data_dir: Path, data: dict) -> Iterator[tuple[Path, Path]]:
    """Copy a dataset's files from a folder to where they belong; nothing is touched that has not the right digest.

    Where none is there, a class that has `pack` is asked to make one of what else lies in the folder.

    Yields:
        Each file, and its new place.

    Raises:
        InputError: none of them is there, or those of their names are others.
    """
    wanted = published(data)
    by_name: dict[str, list[Path]] = {}
    for file in sorted(source.rglob("*")):
        if file.is_file():
            by_name.setdefault(file.name, []).append(file)
    chosen, others = {}, []
    for one in wanted:
        candidates = by_name.get(one.place.name, [])
        same = next((file for file in candidates if one.is_same(file)), None)
        if same is not None:
            chosen[one] = same
        elif one.known:
            others += candidates
    pack = getattr(locate(data["train"]["_target_"]), "pack", None)
    if not chosen and pack is not None and (made := pack(source, data_dir)) is not None:
        yield source, made
        return
    if not chosen:
        names = ", ".join(sorted(one.place.as_posix() for one in wanted)) or "it has none"
        altered = "".join(
            f"\n{file} is truncated or altered, or of another dataset: its SHA-256 is {sha256(file)}" for file in others
        )
        raise InputError(f"{source} holds no file of data={data['name']}: {names}{altered}")
    for one, file in chosen.items():
        target = data_dir / one.place
        if not (target.is_file() and (file.resolve() == target.resolve() or (one.known and one.is_same(target)))):
            copy_whole(file, target, one.is_same if one.known else None)
        yield file, target


def fetch(build: Callable[[Path], object], root: Path, data: dict, check: Callable[[Path], None]) -> None:
    """Let a dataset fetch its files into a folder of their own, check them, and move each to its place, whole.

    The caller holds the lock.

    Args:
        build: fetches into a folder.
        root: where the files belong.
        data: the recipe.
        check: raises InputError if a file in a folder is not what was published.
    """
    scratch = root / f".fetching-{data['name']}"
    shutil.rmtree(scratch, ignore_errors=True)  # of one who was killed
    scratch.mkdir(parents=True)
    try:
        for one in published(data):  # archives that are here need not be fetched
            here = root / one.place
            if one.md5 and here.is_file() and one.is_same(here):
                copy_whole(here, scratch / one.place)
        build(scratch)
        check(scratch)
        for file in sorted(scratch.rglob("*")):
            if file.is_file():
                target = root / file.relative_to(scratch)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def fetch_all(data: dict, root: Path) -> None:
    """Fetch the files of a dataset that says where they are; those that are there already are left.

    Raises:
        OSError: no address of a file has it, or not as it was published.
    """
    for one in published(data):
        if one.urls and not (one.known and (root / one.place).is_file() and one.is_same(root / one.place)):
            from_mirrors(one, root)


def from_mirrors(one: Published, root: Path) -> None:
    """Fetch a file from the first of its addresses that has it, with a progress bar, and check it.

    Raises:
        OSError: none has it; what each of them answered.
    """
    from torchvision.datasets.utils import download_url

    answers = []
    for url in one.urls:
        place = root / one.place
        try:
            download_url(url, str(place.parent), place.name)
        except (OSError, RuntimeError, ValueError) as problem:  # ValueError: no address at all
            answers.append(f"{url}: {problem}")
            continue
        if not one.known or one.is_same(place):
            return
        place.unlink()
        answers.append(f"{url}: truncated, or another file of that name")
    raise OSError("; ".join(answers))


def md5(file: Path) -> str:
    """The digest that torchvision knows a file by."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
