"""What a user types, and what comes back: the message, the exit code, and no run folder where nothing ran."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, without_importing
from processes import DEVNULL, PIPE, start

from encore.record import seal

OTHER_FILES = ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
OFFLINE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def runs_left(tmp_path):
    return [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optim.lrr=1"], "there is no setting optim.lrr; did you mean optim.lr?"),
        (["model=foo"], "there is no model=foo; choose from anomaly_autoencoder, "),
        (["optim.lr=abc"], "optim.lr=abc: must be a number greater than 0"),
        (["data.batch_size=-3"], "data.batch_size=-3: must be a whole number, at least 1"),
        (["trainer.max_epochs=0"], "trainer.max_epochs=0: must be a whole number, at least 1"),
        (["data.val_fraction=0.5", "data.test_fraction=0.5"], "add up to 1 or more"),
        (["data=images"], "is not set"),
        (["optim.lr=[1"], "no viable alternative"),
        (["seed=${nope}"], "seed: Interpolation key 'nope' not found"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["-m", "model=mlp,foo"], "there is no model=foo"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_the_config_is_answered_without_torch(command, tmp_path, words, message):
    answer = command("train.py", *words)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list((tmp_path / "runs").glob("*-*"))


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["optim.lr=abc"], ["optim.lrr=1"]])
def test_torch_is_not_imported_for_an_answer_that_needs_none(words, tmp_path):
    modules = {"torch", "pytorch_lightning", "numpy"}
    answer = without_importing(modules, ROOT / "train.py", words, tmp_path)
    assert "AssertionError" not in answer.stderr
    assert answer.returncode == (0 if words[0].startswith("--") else 1)


def test_what_will_run_is_said_before_torch_is_there(tmp_path):
    program = f"""
import os, runpy, sys

class Terminal:
    encoding, said = "utf-8", ""

    def write(self, text):
        self.said += text
        if "folder" in self.said:
            print(self.said, {{"torch", "pytorch_lightning", "numpy"}} & set(sys.modules), file=sys.stderr)
            os._exit(0)

    def flush(self):
        pass

sys.stdout = Terminal()
sys.argv = ["train.py", "model=cnn", "optim=sgd", "seed=7", "trainer=cpu"]
runpy.run_path({str(ROOT / "train.py")!r}, run_name="__main__")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert answer.returncode == 0, answer.stderr
    for part in ("digits-cnn-sgd: 30 epochs; 1 × cpu", "seed 7\n", "folder   runs/digits-cnn-sgd/seed7-"):
        assert part in answer.stderr
    assert answer.stderr.endswith("set()\n")


def test_a_device_that_this_machine_lacks_is_told_before_torch_is_there(tmp_path):
    if has_gpu():
        pytest.skip("this machine has a GPU")
    answer = without_importing({"torch"}, ROOT / "train.py", ["trainer=gpu"], tmp_path)
    assert answer.returncode == 1
    assert "asks for a device that this machine lacks" in answer.stderr
    assert "AssertionError" not in answer.stderr
    assert runs_left(tmp_path) == []


def test_help_lists_every_option(command):
    answer = command("train.py", "--help")
    for word in ("model=wide_resnet", "optim=nesterov", "experiment=digits_mlp", "scheduler=inverse_time"):
        assert word in answer.stdout


@pytest.mark.slow
def test_a_dataset_that_is_not_there_without_a_network(command, tmp_path):
    answer = command("train.py", "data=mnist", f"data_dir={tmp_path / 'nothing'}", **OFFLINE)
    assert answer.returncode == 3
    for part in (str(tmp_path / "nothing"), "encore fetch_data mnist", "data=digits"):
        assert part in answer.stderr
    assert "Traceback" not in answer.stderr
    assert runs_left(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["truncated", "altered"])
def test_a_data_file_that_is_not_what_it_was(command, tmp_path, mnist_files, harm):
    folder = mnist_files("MNIST")
    file = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = file.read_bytes()
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "data" / "small.yaml").write_text(
        "defaults: [mnist]\nsha256:\n"
        f"  MNIST/raw/train-images-idx3-ubyte: {hashlib.sha256(content).hexdigest()}\n"
        + "".join(f"  MNIST/raw/{name}: null\n" for name in OTHER_FILES)
    )
    words = ["--config-dir", str(tmp_path / "mine"), "data=small", f"data_dir={folder}", "debug=fast", "trainer=cpu"]
    file.write_bytes(content[:-100] if harm == "truncated" else content[:-1] + b"\x07")
    answer = command("train.py", *words)
    assert answer.returncode == 3
    assert "train-images-idx3-ubyte is truncated or altered" in answer.stderr
    assert "fetch_data mnist" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert runs_left(tmp_path) == []


@pytest.mark.slow
def test_a_truncated_file_without_a_known_digest(command, tmp_path, mnist_files):
    folder = mnist_files("MNIST")
    file = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-100])
    answer = command("train.py", "data=mnist", "data.sha256=null", f"data_dir={folder}")
    assert answer.returncode == 3
    assert "Traceback" not in answer.stderr
    assert runs_left(tmp_path) == []


def test_a_runs_dir_that_cannot_be_written(command, tmp_path):
    (tmp_path / "file").touch()
    answer = command("train.py", f"runs_dir={tmp_path / 'file' / 'runs'}")
    assert answer.returncode == 74
    assert "cannot be written" in answer.stderr


@pytest.mark.slow
def test_a_data_dir_that_can_only_be_read(command, tmp_path, mnist_files):
    folder = mnist_files("MNIST")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    answer = command("train.py", "data=mnist", "data.sha256=null", f"data_dir={folder}", "debug=fast", "trainer=cpu")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.slow
def test_what_the_data_cannot_do(command, tmp_path):
    answer = command("train.py", "data.batch_size=5000")
    assert answer.returncode == 1
    assert "data.batch_size=5000 is more than the 1258 training examples" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert runs_left(tmp_path) == []


def has_gpu():
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


@pytest.mark.slow
def test_divergence_ends_with_its_own_code(command, tmp_path):
    answer = command("train.py", "optim=sgd", "optim.lr=1e30", "trainer=cpu")
    assert answer.returncode == 5
    assert "at step 1 of epoch 0" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_a_sweep_goes_on_after_a_failure_and_ends_with_the_worst_code(command, tmp_path):
    answer = command("train.py", "-m", "optim.lr=abc,1e30,0.1", "optim=sgd", "trainer=cpu", "trainer.max_epochs=1")
    assert answer.returncode == 5
    listed = command("scripts/runs.py")
    assert sorted(word for word in listed.stdout.split() if word in ("diverged", "finished")) == [
        "diverged",
        "finished",
    ]


@pytest.mark.slow
def test_a_sweep_keeps_its_runs_apart(command, tmp_path):
    words = ["trainer=cpu", "trainer.max_epochs=1", "logger=none"]
    assert command("train.py", "-m", "seed=range(3)", "optim=sgd,adam", *words).returncode == 0
    folders = {path.parent for path in (tmp_path / "runs").rglob("result.json")}
    assert len(folders) == 6


def test_a_run_s_terminal_says_what_ran_and_what_came_out_and_nothing_else(command, tmp_path):
    answer = command("train.py", "trainer=cpu", "trainer.max_epochs=2")
    assert answer.returncode == 0
    assert answer.stderr == ""
    for part in ("data ", "model ", "9,610 parameters", "train", "val", "test", "tensorboard --logdir"):
        assert part in answer.stdout
    assert len(answer.stdout.splitlines()) < 20


@pytest.mark.slow
def test_evaluate_gives_the_same_figures_and_finds_changed_ones(command, run):
    folder = run({"trainer.max_epochs": 2, "model.dropout": 0.5, "augment": "noise"}).folder
    same = command("scripts/evaluate.py", str(folder), fresh=True)
    assert (same.returncode, same.stderr) == (0, "")
    assert "bit for bit" in same.stdout
    result = folder / "result.json"
    result.write_text(result.read_text().replace('"test/loss": ', '"test/loss": 1'))
    changed = command("scripts/evaluate.py", str(folder))
    assert changed.returncode == 3
    assert "result.json was changed" in changed.stderr
    seal.write(folder)
    forged = command("scripts/evaluate.py", str(folder))
    assert forged.returncode == 4
    assert "test/loss 1" in forged.stderr


def test_evaluate_of_what_is_no_run(command, tmp_path):
    answer = command("scripts/evaluate.py", str(tmp_path / "nothing"))
    assert answer.returncode == 3
    assert "there is no run folder" in answer.stderr


@pytest.mark.slow
def test_curves_are_drawn(command, run, tmp_path):
    run({"trainer.max_epochs": 2})
    answer = command("scripts/curves.py", "runs", "--out", "figures/curves.png")
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert command("scripts/curves.py", "runs", "--out", "curves.xyz").returncode == 1
    assert command("scripts/curves.py", "runs", "--metrics", "nothing").returncode == 3


@pytest.mark.slow
def test_a_new_torchvision_dataset_is_one_yaml_and_no_code(command, tmp_path, mnist_files):
    folder = mnist_files("KMNIST")
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "data" / "kmnist.yaml").write_text(
        "name: kmnist\nshape: [1, 28, 28]\nnum_classes: 10\n"
        "train: {_target_: torchvision.datasets.KMNIST, train: true}\n"
        "test: {_target_: torchvision.datasets.KMNIST, train: false}\n"
    )
    words = ["data=kmnist", f"data_dir={folder}", "trainer=cpu", "trainer.max_epochs=20", "optim.lr=0.01"]
    answer = command("train.py", "--config-dir", str(tmp_path / "mine"), *words)
    assert answer.returncode == 0, answer.stderr
    assert "kmnist: 360 train, 40 val, 100 test" in answer.stdout


@pytest.mark.slow
def test_fetch_data_takes_files_that_are_there(command, tmp_path, mnist_files):
    mnist_files("MNIST")
    answer = command("scripts/fetch_data.py", "mnist", "--from", "data", "--data-dir", "elsewhere")
    assert answer.returncode == 3  # the small files have not MNIST's digests
    assert "truncated or altered" in answer.stderr
    nothing = command("scripts/fetch_data.py", "mnist", "--from", "runs")
    assert nothing.returncode == 3
    assert "there is no folder" in nothing.stderr
    assert command("scripts/fetch_data.py", "nothing").returncode == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_checkpoint_that_finds_no_room_leaves_none(tmp_path):
    import resource

    words = ["model=cnn", "trainer=cpu", "trainer.max_epochs=1", f"runs_dir={tmp_path / 'runs'}"]
    answer = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert answer.returncode == 74, answer.stderr
    assert "cannot be written" in answer.stderr
    assert "Traceback" not in answer.stderr
    folder = next((tmp_path / "runs").rglob("result.json")).parent
    assert '"failed"' in (folder / "result.json").read_text()
    assert {path.name for path in (folder / "checkpoints").iterdir()} <= {"digests.json"}


@pytest.mark.sampled(1)
@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGKILL, "running"), (signal.SIGTERM, "preempted")])
def test_a_run_that_is_stopped_goes_on_to_the_same_bits(run, tmp_path, sent, status):
    words = [
        "trainer=cpu",
        "threads=1",
        "trainer.max_epochs=40",
        "model.dropout=0.3",
        "scheduler=step",
        "optim.lr=1e-4",
    ]
    words += ["callbacks.checkpoint.min_seconds_between=0.2", f"runs_dir={tmp_path / 'runs'}"]
    process = start(ROOT / "train.py", *words, stdout=DEVNULL, stderr=DEVNULL, fresh=sent == signal.SIGKILL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs").rglob("last.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(sent)
    process.wait(timeout=60)
    folder = next((tmp_path / "runs").rglob("result.json")).parent
    assert f'"{status}"' in (folder / "result.json").read_text()
    resumed = run(*words)
    assert resumed.folder == folder
    assert "where it was stopped, after epoch" in (folder / "train.log").read_text()
    whole = run(*words, f"runs_dir={tmp_path / 'elsewhere'}")
    for part in ("weights_sha256", "losses_sha256", "metrics", "best", "monitored", "epochs", "steps"):
        assert getattr(resumed, part) == getattr(whole, part), part
    assert (folder / "metrics.csv").read_bytes() == (whole.folder / "metrics.csv").read_bytes()


@pytest.mark.sampled(1)
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_says_so(tmp_path, sent, code):
    words = ["trainer=cpu", "trainer.max_epochs=100000", f"runs_dir={tmp_path / 'runs'}"]
    process = start(ROOT / "train.py", *words, stderr=PIPE)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "runs").rglob("last.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in said
    assert '"preempted"' in next((tmp_path / "runs").rglob("result.json")).read_text()


def test_without_the_environment_one_line_says_how_to_make_it(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-S", "-I", str(ROOT / "train.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert answer.returncode == 1
    assert "make setup" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_command_that_is_asked_to_end_cleans_up(tmp_path):
    program = (
        "import tempfile, time\nfrom encore.command import end\n"
        "def main():\n    with tempfile.TemporaryDirectory() as folder:\n        print(folder, flush=True)\n"
        "        time.sleep(60)\nend(main)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        process.terminate()
        assert process.wait(timeout=60) == 143
    assert not folder.exists()
