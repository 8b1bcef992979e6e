"""Small archives of reviews in the layout of the published one."""

import io
import tarfile

from conftest import ROOT

GOOD, BAD = ("good", "moving", "funny", "fine"), ("bad", "dull", "slow", "silly")
ARCHIVE = "IMDB/aclImdb_labelled.tar.gz"
NAME = "aclImdb/{part}/{label}/{number}_{rating}.txt"


def text(label, number):
    words = GOOD if label == "pos" else BAD
    return f"The film was {words[number % 4]}<br /><br />and so {words[number // 4 % 4]}, it's the {number % 7}th!"


def reviews(train=32, test=16):
    """Members of an archive: names and contents."""
    return {
        NAME.format(part=part, label=label, number=number, rating=rating): text(label, number).encode()
        for part, count in (("train", train), ("test", test))
        for label, rating in (("neg", 2), ("pos", 9))
        for number in range(count // 2)
    }


def archived(data_dir, members=None, name=ARCHIVE):
    """A data folder with an archive."""
    file = data_dir / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        for member, content in (reviews() if members is None else members).items():
            about = tarfile.TarInfo(member)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return data_dir


def unpacked(folder, members=None):
    """The same as a folder of files."""
    for member, content in (reviews() if members is None else members).items():
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_bytes(content)
    return folder


SETTINGS = {"data.as_published": False, "data.batch_size": 8, "trainer.accelerator": "cpu", "threads": 1}
CONFIGS = ROOT / "src" / "course" / "configs"
