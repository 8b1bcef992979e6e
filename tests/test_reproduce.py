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

from encore.errors import Preempted
from encore.record.checkpoint_files import digest, load, save

ROOT = Path(__file__).parents[1]
SHORT = {"trainer.max_epochs": 2}


def test_a_run_is_reproduced_bit_for_bit(run, command):
    folder = run({**SHORT, "model.dropout": 0.2, "augment": ["noise"]}).folder
    answer = command("scripts/reproduce.py", str(folder))
    assert answer.returncode == 0, answer.stderr
    verdict = answer.stdout.splitlines()[-1]
    assert verdict == "REPRODUCED bit for bit: 40 losses, 4 tensors, 6 metrics, batch order"


def altered(folder: Path, change) -> None:
    """Change a run's manifest."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_the_first_difference_is_named_and_a_tolerance_can_accept_it(run, command):
    folder = run(SHORT).folder
    losses = np.fromfile(folder / "losses.f32", "<f4")
    losses[25] = np.nextafter(losses[25], np.float32(10))
    losses.tofile(folder / "losses.f32")
    last = folder / "checkpoints" / "last.ckpt"
    state = load(last)
    weight = state["state_dict"]["net.layers.0.weight"]
    weight[0, 0] = weight[0, 0].nextafter(torch.tensor(10.0))
    save(state, last)

    def change(manifest):
        manifest["losses_sha256"] = hashlib.sha256(losses.tobytes()).hexdigest()
        manifest["weights"]["net.layers.0.weight"] = digest({"net.layers.0.weight": weight})
        manifest["environment"]["packages"]["torch"] = "1.0"

    altered(folder, change)
    answer = command("scripts/reproduce.py", str(folder))
    assert answer.returncode == 4
    verdict = answer.stdout.splitlines()[-1]
    assert verdict.startswith(f"NOT REPRODUCED: first difference at epoch 1, step 25: loss {losses[25]:.9g} against ")
    assert "; batch order identical; weights differ in net.layers.0.weight" in verdict
    assert "packages.torch: 1.0 recorded" in answer.stdout
    near = command("scripts/reproduce.py", str(folder), "--tolerance", "1e-5")
    assert near.returncode == 0
    assert near.stdout.splitlines()[-1].startswith("REPRODUCED within 1e-07: first difference at")
    assert command("scripts/reproduce.py", str(folder), "--tolerance", "1e-9").returncode == 4


def test_a_digest_that_differs_is_a_difference(run, command):
    folder = run(SHORT).folder
    altered(folder, lambda manifest: manifest["weights"].update({"net.layers.2.bias": "0" * 64}))
    answer = command("scripts/reproduce.py", str(folder))
    assert answer.returncode == 4
    assert "NOT REPRODUCED: batch order identical; weights differ in net.layers.2.bias" in answer.stdout


def test_nothing_in_the_folder_where_it_is_called_is_run(run, command, tmp_path):
    folder = run(SHORT).folder
    for name in ("json", "yaml", "torch", "encore"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert command("scripts/reproduce.py", str(folder)).returncode == 0
    assert not (tmp_path / "ran").exists()


def test_a_run_is_not_compared_with_itself(run, command):
    folder = run(SHORT).folder
    answer = command("scripts/reproduce.py", str(folder), "--out", str(folder.parents[1]))
    assert answer.returncode == 1
    assert "is not empty" in answer.stderr


def test_a_run_that_was_gone_on_with_and_logged_otherwise_is_reproduced(run, command, monkeypatch):
    with asked_to_stop(monkeypatch, 25), pytest.raises(Preempted, match="goes on from step 25"):
        run({**SHORT, "logger": "none"})
    again = run({**SHORT, "logger": "csv"})
    assert "MetricsCSV begins at step 25" in (again.folder / "train.log").read_text()
    assert command("scripts/reproduce.py", str(again.folder)).returncode == 0


def test_another_order_of_the_batches_is_named(run, command):
    folder = run(SHORT).folder
    altered(folder, lambda manifest: manifest.update(order_sha256="0" * 64))
    answer = command("scripts/reproduce.py", str(folder), "--tolerance", "1")
    assert answer.returncode == 4
    assert "NOT REPRODUCED: batch order differs" in answer.stdout


def test_altered_data_are_named_with_both_digests(run, command, tmp_path):
    file = tmp_path / "data.npz"
    np.savez(file, x=np.random.default_rng(0).random((60, 4)), y=np.arange(60) % 2)
    settings = {"data": "npz", "data.path": str(file), "data.shape": [4], "data.num_classes": 2, "data.batch_size": 8}
    folder = run({**SHORT, **settings}).folder
    recorded = json.loads((folder / "manifest.json").read_text())["data"]["files"]["path"]
    assert recorded["bytes"] == file.stat().st_size
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    answer = command("scripts/reproduce.py", str(folder))
    assert answer.returncode == 3
    digests = (hashlib.sha256(content).hexdigest(), recorded["sha256"])
    assert f"its SHA-256 is {digests[0]}, recorded was {digests[1]}" in answer.stdout
    file.unlink()
    assert "CANNOT CHECK: path of data=npz is missing" in command("scripts/reproduce.py", str(folder)).stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: altered(folder, lambda manifest: manifest.update(status="preempted")), "not finished"),
        (lambda folder: altered(folder, lambda manifest: manifest.update(schema=99)), "no manifest of schema"),
        (lambda folder: altered(folder, lambda manifest: manifest.pop("code")), "is damaged: KeyError('code')"),
        (lambda folder: (folder / "manifest.json").unlink(), "there is no"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "losses.f32").unlink(), "losses.f32 cannot be read"),
        (lambda folder: edited(folder, "lr: 0.001", "lr: 0.002"), "was changed after the run"),
        (lambda folder: edited(folder, "torch.optim.Adam", "os.system"), "os.system"),
    ],
)
def test_what_cannot_be_checked_says_why(run, command, change, said):
    folder = run({**SHORT, "trainer.max_epochs": 1}).folder
    change(folder)
    answer = command("scripts/reproduce.py", str(folder))
    assert answer.returncode == 3, answer.stderr
    assert "\nCANNOT CHECK: " in f"\n{answer.stdout}"
    assert said in answer.stdout
    assert "Traceback" not in answer.stderr


def edited(folder: Path, old: str, new: str) -> None:
    file = folder / "config.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


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
        return subprocess.run(
            [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    ran = python("train.py", "trainer=cpu", "trainer.max_epochs=1")
    assert ran.returncode == 0, ran.stderr
    folder = str(next((project / "runs").rglob("result.json")).parent)
    split.write_text(split.read_text().replace('derive(seed, "split")', 'derive(seed, "other")'))
    refused = python("scripts/reproduce.py", folder)
    assert refused.returncode == 3
    assert "the code has changed since: data/split.py" in refused.stdout
    assert "--run-recorded-code" in refused.stdout
    again = python("scripts/reproduce.py", folder, "--run-recorded-code")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "REPRODUCED bit for bit" in again.stdout
