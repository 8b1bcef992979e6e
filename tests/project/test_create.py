"""A project is made whole or not at all, and what it is made with is said or refused."""

import errno
import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

import encore
from encore.config import places
from encore.errors import CannotWrite, ConfigError
from encore.project import create as module
from encore.project.create import check_name, create, files
from encore.project.engine import requirement

ENGINE = "encore[joblib,search] @ file:///some/where"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_has_the_top_level_of_this_repository(here):
    create(here / "study", "study", ENGINE)
    assert left(here) == ["study"]
    assert set(left(here / "study")) <= set(left(ROOT)) | {".git"}
    assert {"src", "configs", "tests", "scripts", "Makefile", "README.md", ".ci", ".github"} <= set(
        left(here / "study")
    )
    assert os.access(here / "study" / ".ci" / "run", os.X_OK)


def test_nothing_of_the_template_is_left_open_and_all_of_it_can_be_read(here):
    create(here / "study", "study", 'encore @ file:///a"b\\c')
    made = [path for path in (here / "study").rglob("*") if path.is_file()]
    assert len(made) == len(list(files("study")))
    for path in made:
        text = path.read_text()
        assert not any(f"@{key}@" in text for key in ("name", "engine", "engine_quoted")), path
        if path.suffix == ".py":
            compile(text, path, "exec")
        if path.suffix == ".yaml":
            yaml.safe_load(text)
    project = tomllib.loads((here / "study" / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == ['encore @ file:///a"b\\c']
    assert project["tool"]["encore"] == {}


def test_its_default_run_trains_and_has_the_same_bits_again(here, monkeypatch):
    create(here / "study_of_create", "study_of_create", ENGINE)
    monkeypatch.chdir(here / "study_of_create" / "configs")
    settings = {
        "trainer": "cpu",
        "threads": 1,
        "trainer.max_epochs": 1,
        "runs_dir": str(here / "runs"),
        "logger": "none",
    }
    result = encore.run(settings)
    assert result.name == "spirals-net-adam"
    assert encore.run({**settings, "fresh": True}).weights_sha256 == result.weights_sha256
    held = json.loads((result.folder / "manifest.json").read_text())["code"]
    assert "src/study_of_create/model.py" in held["files"]


@pytest.mark.parametrize("name", ["1st", "a-b", "", "a b", "größe", "class", "_x", "x_", "a.b"])
def test_a_name_that_no_package_can_have(here, name):
    with pytest.raises(ConfigError, match="a package name has"):
        create(here / "study", name, ENGINE)
    assert left(here) == []


@pytest.mark.parametrize("name", ["encore", "torch", "json", "tests", "data", "hydra_plugins", "train"])
def test_a_name_that_is_taken(here, name):
    with pytest.raises(ConfigError, match="has a module of that name"):
        create(here / "study", name, ENGINE)
    assert left(here) == []


def test_the_empty_folder_itself_does_not_take_the_name(here, monkeypatch):
    monkeypatch.syspath_prepend(str(here))
    (here / "study_that_is_empty").mkdir()
    check_name("study_that_is_empty", here / "study_that_is_empty")


def test_a_folder_that_is_not_empty_is_left_as_it_is(here):
    (here / "study").mkdir()
    (here / "study" / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        create(here / "study", "study", ENGINE)
    assert left(here) == ["study"]
    assert left(here / "study") == ["thesis.tex"]


def test_a_file_and_a_folder_that_is_not_there(here):
    (here / "study").touch()
    with pytest.raises(ConfigError, match="is a file"):
        create(here / "study", "study", ENGINE)
    with pytest.raises(ConfigError, match="is not a folder: a project cannot be created in it"):
        create(here / "no" / "study", "study", ENGINE)


def test_an_empty_folder_or_a_new_repository_is_filled(here):
    (here / "study" / ".git").mkdir(parents=True)
    create(here / "study", "study", ENGINE)
    assert {".git", "configs", ".gitignore"} <= set(left(here / "study"))
    assert left(here) == ["study"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_full_disk_leaves_nothing(here, monkeypatch, exists):
    target = here / "study"
    if exists:
        (target / ".git").mkdir(parents=True)
    written = []

    def full(self, text, encoding):
        written.append(self)
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match="No space left") as problem:
        create(target, "study", ENGINE)
    assert problem.value.code == 74
    assert left(here) == (["study"] if exists else [])
    assert not exists or left(target) == [".git"]


def test_what_fails_while_it_is_moved_is_taken_back(here, monkeypatch):
    (here / "study" / ".git").mkdir(parents=True)
    plain = Path.rename

    def rename(self, target):
        if self.name == "pyproject.toml":
            raise OSError(errno.EIO, "Input/output error")
        return plain(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(CannotWrite):
        create(here / "study", "study", ENGINE)
    assert left(here / "study") == [".git"]
    assert left(here) == ["study"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(here):
    here.chmod(0o555)
    with pytest.raises(CannotWrite):
        create(here / "study", "study", ENGINE)
    here.chmod(0o755)


def test_of_two_at_once_one_makes_it(here):
    def make(_):
        try:
            create(here / "study", "study", ENGINE)
        except ConfigError as problem:
            return str(problem)
        return "made"

    with ThreadPoolExecutor(8) as pool:
        said = sorted(pool.map(make, range(8)))
    assert said == [f"{here / 'study'} is not empty: name a new folder"] * 7 + ["made"]
    assert left(here) == ["study"]
    assert len([path for path in (here / "study").rglob("*") if path.is_file()]) == len(list(files("study")))


def test_the_engine_that_runs_now_is_the_default():
    assert requirement(None) == f"encore[joblib,search] @ {ROOT.as_uri()}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0.1.0", "encore[joblib,search]==0.1.0"),
        (">=0.1,<1", "encore[joblib,search]<1,>=0.1"),
        ("git+https://a.example/encore.git@v1", "encore[joblib,search] @ git+https://a.example/encore.git@v1"),
        (
            "https://a.example/encore-1-py3-none-any.whl",
            "encore[joblib,search] @ https://a.example/encore-1-py3-none-any.whl",
        ),
        (str(ROOT), f"encore[joblib,search] @ {ROOT.as_uri()}"),
    ],
)
def test_the_engine_is_had_from_where_it_is_said(given, text):
    assert requirement(given) == text


def test_a_wheel_of_this_machine(here):
    (here / "my @ wheels").mkdir()
    wheel = here / "my @ wheels" / "encore-0.1.0-py3-none-any.whl"
    wheel.touch()
    wanted = f"encore[joblib,search] @ {wheel.as_uri()}"
    assert requirement("my @ wheels/encore-0.1.0-py3-none-any.whl") == wanted
    assert requirement(wheel.as_uri()) == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "a clone's folder, a wheel, a URL"),
        ("./nowhere", "there is no such folder or file"),
        ("encore-1.whl", "there is no such folder or file"),
        ("folder", "is not a clone of Encore"),
        ("text.txt", "a file must be a wheel or an sdist"),
        ("file:///no/where.whl", "is not there"),
        ("", "is not a clone of Encore"),
    ],
)
def test_an_engine_that_cannot_be_had(here, given, message):
    (here / "folder").mkdir()
    (here / "text.txt").touch()
    with pytest.raises(ConfigError, match=message):
        requirement(given)


def test_the_command_says_what_to_do_next_and_refuses_to_do_it_twice(command, here):
    first = command("scripts/new_project.py", "my study-2")
    assert (first.returncode, first.stderr) == (0, "")
    assert "cd 'my study-2' && make train" in first.stdout
    assert (here / "my study-2" / "src" / "my_study_2" / "model.py").is_file()
    second = command("scripts/new_project.py", "my study-2")
    assert second.returncode == 1
    assert "is not empty" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_the_command_on_a_disk_without_room(here):
    import resource

    answer = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "new_project.py"), "study"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert answer.returncode == 74, answer.stderr
    assert "study cannot be made" in answer.stderr
    assert left(here) == []
    assert module.TEMPLATE.is_dir()
