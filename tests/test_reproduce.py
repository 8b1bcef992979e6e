"""A stranger can have a run's figures again from its folder, and is told where they differ."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from endings import asked_to_stop
from PIL import Image
from processes import finish

from encore.analysis import certificate
from encore.commands.reproduce import main
from encore.errors import Preempted
from encore.files import digest
from encore.record import seal
from encore.record.checkpoint_files import load, save

ROOT = Path(__file__).parents[1]
SHORT = {"trainer.max_epochs": 2}


@pytest.mark.slow
@pytest.mark.long
def test_a_run_is_reproduced_bit_for_bit(run, command):
    folder = run({**SHORT, "model.dropout": 0.2, "augment": ["noise"]}).folder
    answer = command("scripts/reproduce.py", str(folder), fresh=True)
    assert answer.returncode == 0, answer.stderr
    verdict = answer.stdout.splitlines()[-1]
    counts = "6 metrics, 23 logged values, 28 points in TensorBoard, 47 values in checkpoints"
    assert verdict == f"REPRODUCED bit for bit: 40 losses, 4 tensors, {counts}, batch order"


def altered(folder: Path, change) -> None:
    """Change a run's manifest, and its seal to match."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    seal.write(folder)


def test_the_first_difference_is_named_and_a_tolerance_can_accept_it(run, reproduce):
    folder = run(SHORT).folder
    losses = np.fromfile(folder / "losses.f32", "<f4")
    losses[25] = np.nextafter(losses[25], np.float32(10))
    losses.tofile(folder / "losses.f32")
    last = folder / "checkpoints" / "last.ckpt"
    state = load(last)
    weight = state["state_dict"]["net.layers.0.weight"]
    weight[0, 0] = weight[0, 0].nextafter(torch.tensor(10.0))
    save(state, last)
    digests = {
        "losses_sha256": hashlib.sha256(losses.tobytes()).hexdigest(),
        "weights_sha256": digest(state["state_dict"]),
    }
    result = folder / "result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), **digests}))

    def change(manifest):
        manifest.update(digests)
        manifest["weights"]["net.layers.0.weight"] = digest({"net.layers.0.weight": weight})
        manifest["environment"]["packages"]["torch"] = "1.0"

    altered(folder, change)
    answer = reproduce(folder)
    assert answer.returncode == 4
    verdict = answer.stdout.splitlines()[-1]
    assert verdict.startswith(f"NOT REPRODUCED: first difference at epoch 1, step 25: loss {losses[25]:.9g} against ")
    assert "; batch order identical; weights differ in net.layers.0.weight" in verdict
    assert "packages.torch: 1.0 recorded" in answer.stdout
    near = reproduce(folder, "--tolerance", "1e-5")
    assert near.returncode == 0
    assert near.stdout.splitlines()[-1].startswith("REPRODUCED within 1e-07: first difference at")
    assert reproduce(folder, "--tolerance", "1e-9").returncode == 4


def test_a_digest_that_differs_is_a_difference(run, reproduce):
    folder = run(SHORT).folder
    altered(folder, lambda manifest: manifest["weights"].update({"net.layers.2.bias": "0" * 64}))
    answer = reproduce(folder)
    assert answer.returncode == 4
    assert "NOT REPRODUCED: batch order identical; weights differ in net.layers.2.bias" in answer.stdout


@pytest.mark.parametrize("tolerance", ["1e9", "inf", "nan", "0", "-1", "0.1"])
def test_a_tolerance_is_small(tmp_path, tolerance, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce", str(tmp_path), "--tolerance", tolerance])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2  # argparse's, of which the command makes 1
    assert "must be above 0 and at most 0.01" in capsys.readouterr().err


@pytest.mark.slow
def test_the_verdict_is_certified_and_names_who_signed(run, command, tmp_path):
    folder = run(SHORT).folder
    words = []
    if shutil.which("ssh-keygen") is not None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
        assert command("scripts/sign.py", str(folder), "--key", str(tmp_path / "key")).returncode == 0
        (tmp_path / "signers").write_text(f"ada@example.org {(tmp_path / 'key.pub').read_text()}")
        words = ["--signers", "signers"]
    answer = command("scripts/reproduce.py", str(folder), "--certificate", "certificate.json", *words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    kept = certificate.read(tmp_path / "certificate.json")
    assert kept["verdict"] == answer.stdout.splitlines()[-1]
    if words:
        assert "signed by ada@example.org, SHA256:" in answer.stdout
        assert kept["signature"].startswith("ada@example.org")
    (tmp_path / "folder").mkdir()
    nowhere = command("scripts/reproduce.py", str(folder), "--certificate", "folder")
    assert (nowhere.returncode, nowhere.stdout.splitlines()[-1]) == (74, kept["verdict"])
    assert "it is a folder, and a file is to be written: 'folder'" in nowhere.stderr
    altered(folder, lambda manifest: manifest["metrics"].update({"test/accuracy": (0.99).hex()}))
    (folder / seal.SIGNATURE).unlink(missing_ok=True)
    forged = command("scripts/reproduce.py", str(folder), "--certificate", "certificate.json")
    assert forged.returncode == 4
    kept = certificate.read(tmp_path / "certificate.json")
    assert (kept["exit_code"], "test/accuracy 0.99 against" in kept["verdict"]) == (4, True)


@pytest.mark.slow
@pytest.mark.long
def test_nothing_in_the_folder_where_it_is_called_is_run(run, command, tmp_path):
    folder = run(SHORT).folder
    for name in ("json", "yaml", "torch", "encore"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert command("scripts/reproduce.py", str(folder), fresh=True).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_a_run_is_not_compared_with_itself(run, reproduce):
    folder = run(SHORT).folder
    answer = reproduce(folder, "--out", str(folder.parents[1]))
    assert answer.returncode == 1
    assert "is not empty" in answer.stderr


def test_a_run_that_was_gone_on_with_and_logged_otherwise_is_reproduced(run, reproduce, monkeypatch):
    with asked_to_stop(monkeypatch, 25), pytest.raises(Preempted, match="continues from step 25"):
        run({**SHORT, "logger": "none"})
    again = run({**SHORT, "logger": "csv"})
    assert "MetricsCSV begins at step 25" in (again.folder / "train.log").read_text()
    assert reproduce(again.folder).returncode == 0


def test_another_order_of_the_batches_is_named(run, reproduce):
    folder = run(SHORT).folder
    altered(folder, lambda manifest: manifest.update(order_sha256="0" * 64))
    answer = reproduce(folder, "--tolerance", "0.01")
    assert answer.returncode == 4
    assert "NOT REPRODUCED: batch order differs" in answer.stdout


def test_altered_data_are_named_with_both_digests(run, reproduce, tmp_path):
    file = tmp_path / "data.npz"
    np.savez(file, x=np.random.default_rng(0).random((60, 4)), y=np.arange(60) % 2)
    settings = {"data": "npz", "data.path": str(file), "data.shape": [4], "data.num_classes": 2, "data.batch_size": 8}
    folder = run({**SHORT, **settings}).folder
    recorded = json.loads((folder / "manifest.json").read_text())["data"]["files"]["path"]
    assert recorded["bytes"] == file.stat().st_size
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    answer = reproduce(folder)
    assert answer.returncode == 3
    digests = (hashlib.sha256(content).hexdigest(), recorded["sha256"])
    assert f"its SHA-256 is {digests[0]}, recorded was {digests[1]}" in answer.stdout
    file.unlink()
    assert "CANNOT CHECK: path of data=npz is missing" in reproduce(folder).stdout


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "link"), reason="no hard links")
def test_a_folder_of_many_pictures_is_one_entry_and_is_reproduced(run, reproduce, tmp_path):
    photos = tmp_path / "photos"
    for number in range(2):
        (photos / str(number)).mkdir(parents=True)
        Image.new("L", (2, 2), 100 * number).save(photos / str(number) / "0.png")
        for other in range(1, 5001):
            os.link(photos / str(number) / "0.png", photos / str(number) / f"{other}.png")
    settings = {"data": "images", "data.root": str(photos), "data.shape": [1, 2, 2], "data.num_classes": 2}
    folder = run({**settings, "data.batch_size": 1000, "trainer.max_epochs": 1}).folder
    recorded = json.loads((folder / "manifest.json").read_text())["data"]["files"]
    assert {name: entry["files"] for name, entry in recorded.items()} == {"root": 10_002, "train.root": 10_002}
    assert reproduce(folder).returncode == 0
    (photos / "0" / "7.png").unlink()
    answer = reproduce(folder)
    assert answer.returncode == 3
    assert "has changed: it has 10,001 files" in answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: altered(folder, lambda manifest: manifest.update(status="preempted")),
            "manifest.json preempted",
        ),
        (lambda folder: altered(folder, lambda manifest: manifest.update(schema=99)), "not a manifest of schema"),
        (lambda folder: altered(folder, lambda manifest: manifest.pop("code")), "lacks code"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json was changed"),
        (lambda folder: (folder / "losses.f32").unlink(), "losses.f32 is missing"),
        (lambda folder: edited(folder, "lr: 0.001", "lr: 0.002"), "was changed after the run"),
        (lambda folder: edited(folder, "torch.optim.Adam", "os.system"), "os.system"),
    ],
)
def test_what_cannot_be_checked_says_why(run, reproduce, change, said):
    folder = run({**SHORT, "trainer.max_epochs": 1}).folder
    change(folder)
    answer = reproduce(folder)
    assert answer.returncode == 3, answer.stderr
    assert "\nCANNOT CHECK: " in f"\n{answer.stdout}"
    assert said in answer.stdout
    assert "Traceback" not in answer.stderr


def edited(folder: Path, old: str, new: str) -> None:
    file = folder / "config.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    seal.write(folder)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("with_git", [True, False])
def test_code_that_has_changed_is_run_as_it_was_only_when_asked(tmp_path, with_git):
    if with_git and shutil.which("git") is None:
        pytest.skip("needs git")
    project = tmp_path / "project"
    for name in ("src", "configs", "scripts"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "train.py", project)
    if with_git:
        git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
            subprocess.run([*git, *words], cwd=project, check=True)
    split = project / "src" / "encore" / "data" / "split.py"
    split.write_text(split.read_text() + "# a line that is not committed\n")

    def python(*words):
        environment = {**os.environ, "PYTHONPATH": str(project / "src"), "ENCORE_RUNS_DIR": "runs"}
        return finish(*words, cwd=project, env=environment)

    ran = python("train.py", "trainer=cpu", "trainer.max_epochs=1")
    assert ran.returncode == 0, ran.stderr
    folder = str(next((project / "runs").rglob("result.json")).parent)
    split.write_text(split.read_text().replace('derive(seed, "split")', 'derive(seed, "other")'))
    refused = python("scripts/reproduce.py", folder)
    assert refused.returncode == 3
    assert "the code has changed since: encore.data.split" in refused.stdout
    assert "--run-recorded-code" in refused.stdout
    again = python("scripts/reproduce.py", folder, "--run-recorded-code")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "REPRODUCED bit for bit" in again.stdout


@pytest.mark.slow
@pytest.mark.long
def test_modules_of_ones_own_come_back_with_all_that_they_import(tmp_path):
    project = tmp_path / "project"
    for name in ("src", "configs", "scripts"):
        shutil.copytree(ROOT / name, project / name)
    shutil.copy(ROOT / "train.py", project)
    (project / "mine").mkdir()
    (project / "mine" / "net.py").write_text(
        "from torch import nn\nfrom .sizes import WIDTH\n"
        "def net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, WIDTH), nn.Linear(WIDTH, 10))\n"
    )
    (project / "mine" / "sizes.py").write_text("import atexit\natexit.register(print, 'bye')\nWIDTH = 4\n")
    (project / "configs" / "model" / "mine.yaml").write_text("name: mine\n_target_: mine.net.net\n")

    def python(*words):
        environment = {**os.environ, "PYTHONPATH": str(project / "src"), "ENCORE_RUNS_DIR": "runs"}
        return finish(*words, cwd=project, env=environment)

    ran = python("train.py", "trainer=cpu", "trainer.max_epochs=1", "model=mine")
    assert ran.returncode == 0, ran.stderr
    folder = str(next((project / "runs").rglob("result.json")).parent)
    kept = python("scripts/reproduce.py", folder)  # whatever is printed at a process's end
    assert (kept.returncode, kept.stdout.splitlines()[-1].startswith("REPRODUCED")) == (0, True), kept
    (project / "mine" / "sizes.py").write_text("WIDTH = 5\n")
    refused = python("scripts/reproduce.py", folder)
    assert (refused.returncode, "the code has changed since: mine.sizes" in refused.stdout) == (3, True), refused
    again = python("scripts/reproduce.py", folder, "--run-recorded-code")
    assert again.returncode == 0, again
    assert "REPRODUCED bit for bit" in again.stdout
