"""A config that says the same in other words is the same run; what cannot be read to its end is refused at once."""

import os

import pytest

from encore.config.compose import config_from
from encore.errors import InputError
from encore.provenance.contents import digest_of
from encore.provenance.fingerprint import computing, essential, hash_of

SAME = {
    "weight decay": ("optim.weight_decay=0", "optim.weight_decay=0.0"),
    "learning rate": ("optim.lr=1", "optim.lr=1.0"),
    "momentum": ("optim=momentum optim.momentum=0", "optim=momentum optim.momentum=0.0"),
    "dropout": ("model.dropout=0", "model.dropout=0.0"),
    "fraction": ("data.val_fraction=0", "data.val_fraction=0.0"),
    "clipping": ("trainer.gradient_clip_val=1", "trainer.gradient_clip_val=1.0"),
    "betas": ("+optim.betas=[0,0.9]", "+optim.betas=[0.0,0.9]"),
    "schedule": ("scheduler=exponential scheduler.gamma=1", "scheduler=exponential scheduler.gamma=1.0"),
    "data_dir": ("data_dir='~/d'", "data_dir=HOME/d"),
    "a path": (
        "data=npz data.path='~/d/x.npz' data.num_classes=2 data.shape=[2]",
        "data=npz data.path=HOME/d/x.npz data.num_classes=2 data.shape=[2]",
    ),
}
OTHER = {
    "one batch or all": ("+trainer.limit_train_batches=1", "+trainer.limit_train_batches=1.0"),
    "another number": ("optim.weight_decay=0", "optim.weight_decay=1e-9"),
}


def mark(words, home):
    cfg = config_from(words.replace("HOME", str(home)).split())
    return hash_of({**computing(cfg), "data_dir": cfg["data_dir"]})


@pytest.mark.parametrize("case", [*SAME, *OTHER])
def test_the_same_in_other_words_is_the_same_run(case, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    one, other = (SAME | OTHER)[case]
    assert (mark(one, tmp_path) == mark(other, tmp_path)) is (case in SAME)


def test_a_home_folder_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENCORE_DATA_DIR", "~/d")
    assert config_from([])["data_dir"] == str(tmp_path / "d")


def pipe(place):
    os.mkfifo(place)


def folder(place):
    place.mkdir()
    pipe(place / "x")  # whoever reads what is in it waits without end


REFUSED = {
    "npz pipe": (pipe, "data=npz data.path=PLACE data.num_classes=2 data.shape=[2]", "data|path=.* is a named pipe"),
    "npz folder": (folder, "data=npz data.path=PLACE data.num_classes=2 data.shape=[2]", "path=.* is a folder"),
    "table folder": (
        folder,
        "data=table data.path=PLACE data.inputs=x data.num_classes=2 data.shape=[1]",
        "path=.* is a folder",
    ),
    "images pipe": (pipe, "data=images data.root=PLACE data.num_classes=2 data.shape=[1,2,2]", "root=.* a named pipe"),
    "weights folder": (folder, "data.bootstrap=0 data.weights.path=PLACE", r"data\.weights\.path=.* is a folder"),
    "weights pipe": (pipe, "data.bootstrap=0 data.weights.path=PLACE", r"data\.weights\.path=.* is a named pipe"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_to_its_end_is_refused_at_once(case, tmp_path):
    make, words, message = REFUSED[case]
    make(tmp_path / "place")
    cfg = config_from(words.replace("PLACE", str(tmp_path / "place")).split())
    with pytest.raises(InputError, match=message):
        essential(cfg)


def test_names_that_are_no_utf_8_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        file.write_bytes(b"x")
    except OSError:
        pytest.skip("a file system whose names are UTF-8")
    assert digest_of(file) == digest_of(file)
