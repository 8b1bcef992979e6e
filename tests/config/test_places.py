"""The user's folders of configs, wherever they are named: read by every command, and before the engine's own."""

import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import encore
from encore.command import end
from encore.config import help, places
from encore.config.compose import config_from, explain, settings
from encore.config.hints import HINTS, hint
from encore.errors import ConfigError

NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, in_shape, num_outputs):
        super().__init__(nn.Flatten(), nn.Linear(64, num_outputs))
"""
YAML = "# Of my own.\nname: {name}\n_target_: own_net_of_places.Net\nin_shape: [8, 8]\nnum_outputs: 10\n"
SHORT = ("trainer=cpu", "trainer.max_epochs=1", "logger=none", "threads=1")


def put(folder: Path, **options: str) -> Path:
    """A folder of configs with models."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    for name, text in options.items():
        (folder / "model" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder where we stand, with a module of one's own; what a test names for later processes is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(places.VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_net_of_places.py").write_text(NET)
    yield tmp_path
    sys.modules.pop("own_net_of_places", None)


@pytest.fixture
def project(here):
    """A project with a model of its own."""
    (here / "pyproject.toml").write_text("[tool.encore]\n")
    put(here / "configs", mine=YAML.format(name="mine"))
    return here


COURSE = ROOT / "src" / "course" / "configs"


def test_without_a_project_there_are_the_clone_s_configs_alone(here):
    assert places.user() == [COURSE]
    assert places.project() is None
    assert (places.engine() / "train.yaml").is_file()


def test_the_clone_is_a_project_whose_configs_are_the_engine_s_and_the_course_s(monkeypatch):
    monkeypatch.chdir(places.engine() / "model")
    assert places.project() == places.engine().parent
    assert places.user() == [COURSE]


def test_a_project_s_table_names_further_folders_of_configs(project):
    put(project / "more", also=YAML.format(name="also"), mine=YAML.format(name="hidden"))
    (project / "pyproject.toml").write_text('[tool.encore]\nconfigs = ["more"]\n')
    assert places.user() == [project / "configs", project / "more"]
    assert config_from({"model": "also"})["model"]["name"] == "also"
    assert config_from({"model": "mine"})["model"]["name"] == "mine"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('configs = ["nowhere"]', "names nowhere: no folder in the project"),
        ('configs = [".."]', r"names \.\.: no folder in the project"),
        ('configs = "more"', "configs='more' must be a list of folders"),
        ("configs = [1]", r"configs=\[1\] must be a list of folders"),
    ],
)
def test_a_table_that_names_no_folders_of_the_project_is_refused(project, line, message):
    (project / "more").mkdir()
    (project / "pyproject.toml").write_text(f"[tool.encore]\n{line}\n")
    with pytest.raises(ConfigError, match=message):
        config_from({})


def test_a_project_is_found_from_a_folder_in_it_and_not_from_elsewhere(project, monkeypatch):
    (project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "down")
    assert config_from({"model": "mine"})["model"]["name"] == "mine"
    monkeypatch.chdir(project.parent)
    with pytest.raises(ConfigError, match="there is no model=mine"):
        config_from({"model": "mine"})


def test_a_project_is_known_by_its_script_and_its_configs_from_another_folder(project, monkeypatch):
    (project / "elsewhere").mkdir()
    (project / "scripts").mkdir()
    monkeypatch.chdir(project.parent)
    for script in (project / "train.py", project / "scripts" / "mine.py"):
        monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
        assert places.project() == project
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(project.parent / "other.py"), raising=False)
    assert places.project() is None
    monkeypatch.setenv(places.VARIABLE, str(project / "configs"))
    assert places.project() == project


@pytest.mark.parametrize("text", ["", "[tool.other]\n", "tool = 3\n", "not TOML at all"])
def test_other_folders_are_no_projects(here, text):
    (here / "pyproject.toml").write_text(text)
    assert places.project() is None


def test_a_project_whose_table_cannot_be_read_is_named(here):
    (here / "pyproject.toml").write_text("[tool.encore]\nx = \n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml cannot be read"):
        places.project()


def test_a_run_s_folder_is_no_project_whatever_lies_in_it(project):
    (project / "manifest.json").write_text("{}")
    assert places.project() is None


@pytest.mark.parametrize("trains", [True, False])
def test_a_command_on_a_run_imports_nothing_that_lies_where_we_stand(here, monkeypatch, trains):
    places.extend_path(trains)
    assert (str(here) in sys.path) is trains


def test_unless_configs_of_one_s_own_may_name_it(here, monkeypatch):
    put(here / "mine")
    monkeypatch.setenv(places.VARIABLE, "mine")
    places.extend_path(trains=False)
    assert sys.path[-1] == str(here)


def test_but_never_from_a_run_s_folder(here, monkeypatch):
    put(here / "mine")
    (here / "manifest.json").write_text("{}")
    monkeypatch.setenv(places.VARIABLE, "mine")
    places.extend_path()
    assert str(here) not in sys.path


def test_the_working_directory_may_have_been_removed(here, monkeypatch):
    (here / "gone").mkdir()
    monkeypatch.chdir(here / "gone")
    (here / "gone").rmdir()
    assert places.project() is None
    places.extend_path()


def test_the_first_folder_that_has_an_option_wins(project, monkeypatch):
    first, second = (put(project / name, mlp=YAML.format(name=name)) for name in ("first", "second"))
    put(second, **{"later": YAML.format(name="later"), "mine": YAML.format(name="hidden")})
    assert config_from({"model": "mlp"})["model"]["name"] == "mlp"
    monkeypatch.setenv(places.VARIABLE, os.pathsep.join([str(first), "", str(second)]))
    assert places.user() == [first, second, project / "configs"]
    assert config_from({"model": "mlp"})["model"]["name"] == "first"
    assert config_from({"model": "later"})["model"]["name"] == "later"
    assert config_from({"model": "mine"})["model"]["name"] == "hidden"
    assert config_from({"model": "cnn"})["model"]["name"] == "cnn"


def test_a_project_says_what_all_its_runs_have_and_an_experiment_comes_after_it(project):
    (project / "configs" / "project").mkdir()
    (project / "configs" / "project" / "default.yaml").write_text(
        "# @package _global_\ndefaults: [override /model: mine]\ntrainer: {max_epochs: 3}\n"
    )
    assert config_from({})["model"]["name"] == "mine"
    assert config_from({"experiment": "digits_mlp"})["model"]["name"] == "mlp"
    assert config_from({"experiment": "digits_mlp"})["trainer"]["max_epochs"] == 20
    assert config_from({"model": "cnn"})["model"]["name"] == "cnn"


def test_help_and_suggestions_know_the_user_s_options(project):
    assert "model=mine                        Of my own." in help.text()
    assert "model=wide_resnet" in help.text()
    put(project / "configs", mlp="# Mine, too.\n" + YAML.format(name="mlp"))
    assert help.text().count("model=mlp  ") == 1
    assert "Mine, too." in help.text()
    with pytest.raises(ConfigError, match="did you mean mine"):
        config_from({"model": "mien"})
    (project / "configs" / "flavour").mkdir()
    (project / "configs" / "flavour" / "sweet.yaml").write_text("x: 1\n")
    with pytest.raises(ConfigError, match="did you mean flavour"):
        config_from({"flavuor": "sweet"})


@pytest.mark.parametrize("name", ["nowhere", "a_file"])
def test_a_folder_that_is_not_there_is_named(here, monkeypatch, name):
    (here / "a_file").touch()
    monkeypatch.setenv(places.VARIABLE, name)
    with pytest.raises(ConfigError, match=f"ENCORE_CONFIGS names .*{name}"):
        config_from({})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config-dir", "nowhere"], "--config-dir nowhere: there is no such folder"),
        (["--config-dir"], "--config-dir is followed by a folder"),
        (["-cd=nowhere"], "--config-dir nowhere: there is no such folder"),
    ],
)
@pytest.mark.parametrize("script", ["train.py", "scripts/evaluate.py"])
def test_a_flag_without_a_folder_is_answered_by_every_command(command, script, words, message):
    answer = command(script, "RUN", *words)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_package_with_the_engine_s_name_is_refused(project):
    (project / "src" / "encore").mkdir(parents=True)
    with pytest.raises(ConfigError, match="has the engine's name"):
        encore.run({})


def test_another_program_of_the_same_environment_keeps_its_own_search_path(project):
    from hydra import compose, initialize_config_dir

    other = project / "other"
    other.mkdir()
    (other / "main.yaml").write_text("defaults: [model: mine]\n")
    with (
        initialize_config_dir(str(other), version_base="1.3"),
        pytest.raises(Exception, match="Could not find 'model/mine'"),
    ):
        compose("main")


@pytest.mark.slow
@pytest.mark.long
def test_a_run_of_one_s_own_is_known_to_every_command(command, here):
    put(here / "mine", mine=YAML.format(name="mine"))
    mine = {places.VARIABLE: "mine"}
    assert command("train.py", "--config-dir", "mine", "model=mine", *SHORT).returncode == 0
    folder = str(next((here / "runs").rglob("result.json")).parent)
    unknown = command("scripts/evaluate.py", folder)
    assert unknown.returncode == 3
    assert "ENCORE_CONFIGS" in unknown.stderr
    assert command("scripts/evaluate.py", folder, "--config-dir", "mine").returncode == 0
    again = command("scripts/reproduce.py", folder, **mine)
    assert (again.returncode, "REPRODUCED bit for bit" in again.stdout) == (0, True), again.stdout
    words = ["optim.lr=0.1,0.01", "--folds", "2", *SHORT]
    assert command("scripts/cross_validate.py", "model=mine", *words, **mine).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "launcher",
    ["basic", *(pytest.param(name, marks=pytest.mark.slow) for name in ("joblib", "submitit_local", "ray"))],
)
def test_a_sweep_knows_them_in_whatever_process(begin, here, launcher):
    if launcher != "basic":
        pytest.importorskip({"submitit_local": "submitit"}.get(launcher, launcher))
    put(here / "mine", mine=YAML.format(name="mine"))
    words = ["--config-dir", "mine", "model=mine", "seed=1,2", f"hydra/launcher={launcher}", *SHORT]
    said, _ = begin(*words).communicate(timeout=280)
    assert len(list((here / "runs").glob("digits-mine-adam/**/result.json"))) == 2, said


def test_a_clone_s_claims_are_the_engine_s_and_the_course_s(here):
    from encore.analysis.claims.experiments import claiming

    assert {"exam_scores", "imdb_mean"} <= set(claiming())


def test_a_claim_of_one_s_own_is_what_is_checked(project):
    from encore.analysis.claims.experiments import claiming

    assert "exam_scores" in claiming()
    (project / "configs" / "experiment").mkdir()
    (project / "configs" / "experiment" / "own.yaml").write_text(
        "# @package _global_\nclaims: [{metric: test/accuracy, at_least: 0}]\n"
    )
    assert claiming() == ["own"]


@pytest.mark.parametrize("setting", HINTS)
def test_what_is_said_of_another_template_s_settings_is_no_setting_here(setting):
    assert setting not in settings()
    assert hint(f"{setting}.deeper") is not None
    page = (ROOT / "docs" / "from-lightning-hydra-template.md").read_text()
    assert f"{setting}" in page or f"{setting.partition('.')[0]}." in page


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ckpt_path=last.ckpt", "a run resumes by itself"),
        ("train=False", "encore evaluate RUN"),
        ("paths.output_dir=x", "runs_dir="),
        ("hparams_search=mnist_optuna", "-m sweep="),
        ("task_name=x", "runs_dir="),
        ("tags=[a]", "encore report"),
        ("extras.print_config=false", "--cfg job"),
        ("model.net.lin1_size=3", "model=NAME is the net"),
    ],
)
def test_habits_of_another_template_are_answered(word, message):
    with pytest.raises(ConfigError, match=message):
        config_from([word])


def test_other_mistakes_are_explained_as_before():
    assert explain(ValueError("Could not override 'optim.lrr'")).startswith("there is no setting optim.lrr; did you")


def test_ending_takes_the_flag_from_commands_that_do_not_know_it(here, monkeypatch):
    put(here / "mine")
    seen = []
    for keeps in (False, True):
        monkeypatch.setattr(sys, "argv", ["command", "a", "--config-dir=mine", "b"])
        with pytest.raises(SystemExit) as stop:
            end(lambda: seen.append(sys.argv[1:]), trains=keeps)
        assert stop.value.code == 0
    assert seen == [["a", "b"], ["a", "--config-dir=mine", "b"]]
    assert places.user() == [here / "mine", COURSE]
