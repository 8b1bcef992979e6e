"""Which environment variables make another run."""

import json
import re
from pathlib import Path

import pytest
from endings import SMALL, asked_to_stop

from encore.analysis.verification import changes
from encore.config.compose import config_from
from encore.errors import Preempted
from encore.provenance.fingerprint import fingerprint
from encore.provenance.variables import COMPILED, COUNTED, CPU, GPU, MATTER, RANKS, RECORDED, counted

READERS = {
    "cpu": (CPU, {"trainer.accelerator": "cpu"}),
    "gpu": (GPU, {"trainer.accelerator": "cuda"}),
    "ranks": (RANKS, {"trainer": "ddp", "trainer.devices": 2, "trainer.accelerator": "cuda"}),
    "compiled": (COMPILED, {"trainer.accelerator": "cpu", "trainer.compile": True}),
}
# What only tells where, how loud or how many threads, or which machine it is.
NOT_COUNTED = (
    *RECORDED, "CUDA_LAUNCH_BLOCKING", "CUDA_VISIBLE_DEVICES", "MKL_VERBOSE", "DNNL_VERBOSE", "ONEDNN_VERBOSE",
    "TORCH_HOME", "TORCH_LOGS", "TORCH_SHOW_CPP_STACKTRACES", "TORCH_NCCL_ASYNC_ERROR_HANDLING", "OMP_PROC_BIND",
    "OMP_PLACES", "KMP_AFFINITY",
    "CUBLAS_LOGINFO_DBG", "CUDA_CACHE_PATH", "TORCHINDUCTOR_CACHE_DIR", "NCCL_DEBUG", "TZ", "LANG",
)  # fmt: skip


@pytest.fixture
def bare(monkeypatch):
    """None of them is set."""
    for name in MATTER:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("table", "settings"), READERS.values(), ids=READERS)
def test_each_that_changes_numbers_makes_another_run_where_it_is_read(bare, monkeypatch, table, settings):
    cfg = config_from(settings)
    without = fingerprint(cfg)
    for name, same in table.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, "7")
            assert fingerprint(cfg) != without, name
            for value in ("", *same):
                patch.setenv(name, value)
                assert fingerprint(cfg) == without, (name, value)


def test_what_nothing_in_a_run_reads_makes_no_other(bare, monkeypatch):
    cfg = config_from({"trainer.accelerator": "cpu"})
    without = fingerprint(cfg)
    for name in [*NOT_COUNTED, *GPU, *RANKS, *COMPILED]:
        monkeypatch.setenv(name, "1")
    assert fingerprint(cfg) == without


def test_a_record_tells_which_were_counted(bare):
    cfg = config_from({"trainer.accelerator": "cpu"})
    recorded = {"ATEN_CPU_CAPABILITY": "default", "NVIDIA_TF32_OVERRIDE": "0", "OMP_NUM_THREADS": "2"}
    assert counted(cfg, recorded) == {"ATEN_CPU_CAPABILITY": "default"}
    assert not set(COUNTED) & set(RECORDED)


@pytest.mark.slow
def test_a_run_under_one_is_not_returned_without_it_and_reproduced_under_it(command, tmp_path):
    words = ["trainer=cpu", "threads=1", "trainer.max_epochs=1", "data.fraction=0.2"]
    under = {"ATEN_CPU_CAPABILITY": "default", "CUBLAS_WORKSPACE_CONFIG": ":16:8"}  # of which a CPU reads the first
    first = command("train.py", *words, **under)
    assert first.returncode == 0, first.stderr
    assert re.search(r"^set +ATEN_CPU_CAPABILITY=default$", first.stdout, re.M)
    again = command("train.py", *words)
    assert again.returncode == 0, again.stderr
    assert "finished already" not in again.stdout
    assert "ATEN_CPU_CAPABILITY" not in again.stdout
    assert "finished already" in command("train.py", *words, **under).stdout
    folder = folder_under(tmp_path / "runs", "ATEN_CPU_CAPABILITY")
    verdict = command("scripts/reproduce.py", str(folder))
    assert "set as recorded: ATEN_CPU_CAPABILITY=default\n" in verdict.stdout
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def folder_under(runs: Path, name: str) -> Path:
    """The folder of the run that was made under a variable."""
    manifests = {file.parent: json.loads(file.read_text(encoding="utf-8")) for file in runs.rglob("manifest.json")}
    return next(folder for folder, held in manifests.items() if name in held["environment"]["variables"])


def test_a_run_that_goes_on_elsewhere_says_so(bare, run, monkeypatch):
    with asked_to_stop(monkeypatch, 5), pytest.raises(Preempted):
        run(SMALL)
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")  # which a CPU does not read
    monkeypatch.setenv("OMP_SCHEDULE", "dynamic")
    folder = run(SMALL).folder
    difference = "variables.OMP_SCHEDULE: nothing recorded, dynamic here"
    assert f"the environment is not that in which the run began:\n  {difference}\n" in (folder / "train.log").read_text(
        encoding="utf-8"
    )
    held = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert changes(held) == [f"resumed at step 5 in another environment: {difference}"]
