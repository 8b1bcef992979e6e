"""Ranks that torchrun or srun started, on one machine or several: one record, the same bits, one end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from endings import assert_same

from encore.callbacks.losses import Losses
from encore.commands.train import main
from encore.config import cores
from encore.config.compose import config_from
from encore.config.launched import Place, first_host, launched
from encore.errors import ConfigError, Preempted
from encore.record.checkpoint_files import weights
from encore.record.result import Result
from encore.runner.rendezvous import own_store
from encore.runner.together import Group, Told

TORCHRUN = {
    **{"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "1"},
    **{"GROUP_WORLD_SIZE": "2", "MASTER_ADDR": "gpu1", "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none"},
}
SRUN = {
    **{"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"},
    **{
        "SLURM_NODEID": "1",
        "SLURM_JOB_ID": "12345678",
        "SLURM_STEP_ID": "1",
        "SLURM_STEP_NODELIST": "gpu[05-07,12],cpu1",
    },
}
# What a run needs to be short, and to be caught in the middle.
WORDS = (
    *("trainer=ddp", "threads=2", "trainer.accelerator=cpu", "trainer.max_epochs=20", "data.fraction=0.2"),
    *("trainer.log_every_n_steps=2", "model.norm=batch", "model.dropout=0.3", "augment=[noise]"),
    *("callbacks.checkpoint.every_n_steps=2", "callbacks.checkpoint.min_seconds_between=0"),
)


def test_the_variables_of_torchrun_and_of_srun_tell_a_process_its_place():
    there = Place(3, 4, 1, 2, 1, 2, "gpu1", 29500, by="torchrun")
    assert launched(TORCHRUN) == there
    assert launched(SRUN) == replace(there, address="gpu05", port=15000 + 5679, by="srun")
    assert launched({**SRUN, **TORCHRUN}) == there  # srun starts torchrun, once a machine
    assert launched({**SRUN, "SLURM_STEP_NUM_TASKS": "1"}) is None
    assert launched({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) is None  # a job's script, which calls no srun
    assert [first_host(hosts) for hosts in ("a1,a2", "a[07-12]-ib", "a[3]", "b c")] == ["a1", "a07-ib", "a3", "b"]


@pytest.mark.parametrize(
    ("variables", "overrides", "message"),
    [
        (TORCHRUN, {}, "torchrun started 4 processes, and the trainer has one: trainer=ddp"),
        (SRUN, {"trainer": "ddp", "trainer.devices": 3}, "trainer.devices=3 ask for 3 processes, and srun started 4"),
        ({}, {"trainer": "ddp", "+trainer.num_nodes": 2}, "num_nodes=2: Encore starts processes on this machine only"),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "3"}, {"trainer": "ddp"}, "each machine has to have as many"),
        ({**SRUN, "SLURM_PROCID": "x"}, {"trainer": "ddp"}, "cannot be read"),
    ],
)  # fmt: skip
def test_a_config_that_does_not_fit_what_was_started_is_refused(monkeypatch, variables, overrides, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        config_from(overrides)


@pytest.mark.parametrize("settings", [{}, {"trainer.devices": 4}, {"trainer.devices": 2, "+trainer.num_nodes": 2}])
def test_a_config_says_how_many_ranks_there_are_and_not_where(monkeypatch, settings):
    alone = config_from({"trainer": "ddp", "trainer.devices": 4, "threads": 4})
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert config_from({"trainer": "ddp", "threads": 4, **settings}) == alone


@pytest.mark.parametrize(
    ("variables", "threads"),
    [
        ({**TORCHRUN, "OMP_NUM_THREADS": "1"}, 10),  # which torchrun sets by itself: two machines of five cores
        ({**TORCHRUN, "OMP_NUM_THREADS": "3"}, 12),
        (SRUN, 10),
        ({**SRUN, "SLURM_CPUS_PER_TASK": "4"}, 16),
    ],
)
def test_threads_are_those_of_all_ranks(monkeypatch, variables, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "usable_cores", lambda: 5)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cores.available_cores() == threads


def test_a_sweep_is_started_once(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["train.py", "-m", "seed=0,1", "trainer=ddp"])
    with pytest.raises(ConfigError, match="each would start the sweep"):
        main()


@pytest.fixture
def three():
    """Three ranks, two of them on one machine, which notice within a second that one is gone."""
    store = own_store("127.0.0.1")
    groups = [
        Group(Place(rank, 3, rank % 2, 2, rank // 2, 2, "127.0.0.1", store.port), store, 0, 0.05, 0.5)
        for rank in range(3)
    ]
    yield groups
    for group in groups:
        group.over.set()


def at_once(work, groups):
    """What a function gives for each group, or the error that it raises."""
    given = [None] * len(groups)

    def one(place, group):
        try:
            given[place] = work(group)
        except Exception as problem:
            given[place] = problem

    threads = [threading.Thread(target=one, args=(place, group)) for place, group in enumerate(groups)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return given


def test_ranks_that_do_not_run_the_same_are_told_in_what_they_differ(three):
    def work(group):
        with group.ending():
            group.agree({"config": {"optim": {"lr": 0.1 if group.place.rank < 2 else 0.2}, "seed": 0}})
            group.hear("start")

    problems = at_once(work, three)
    assert "config.optim.lr=0.1 on rank 0, 0.2 on rank 2" in str(problems[0])
    assert [problem.code for problem in problems] == [1, 1, 1]
    # once on each machine
    assert [bool(str(problem)) for problem in problems] == [True, False, True]


def test_a_rank_that_gives_no_sign_of_life_ends_all(three):
    *living, lost = three
    lost.begin()
    lost.over.set()  # its signs end, without a word
    began = time.monotonic()

    def work(group):
        with group.ending():
            group.begin()
            group.hear("start")

    problems = at_once(work, living)
    assert all(isinstance(problem, Told) for problem in problems)
    assert "rank 2 does not answer any more" in str(problems[0])
    assert time.monotonic() - began < 10


def test_a_run_ends_where_all_of_its_ranks_end(three):
    def work(group):
        with group.ending():
            group.agree({"seed": 0})
            if group.place.rank == 0:
                group.tell("end", {"status": "finished"})
            return group.hear("end")

    assert at_once(work, three) == [{"status": "finished"}] * 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def srun(runs, *words, ranks=2, of_rank=None, namespaces=None, nodes=1):
    """What srun would start: a process for each rank, with its variables."""
    shared = {**os.environ, "SLURM_STEP_NUM_TASKS": str(ranks), "SLURM_STEP_NUM_NODES": str(nodes), "SLURM_JOB_ID": "7"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "ENCORE_RUNS_DIR": str(runs)}
    started = []
    for rank in range(ranks):
        node, local = divmod(rank, ranks // nodes)
        own = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(local), "SLURM_NODEID": str(node)}
        command = [sys.executable, str(ROOT / "train.py"), *WORDS, *words, *(of_rank or {}).get(rank, ())]
        if namespaces is not None:
            name, _, extra = namespaces[node]
            command = ["ip", "netns", "exec", name, *command]
            own |= {"MASTER_ADDR": namespaces[0][1], **extra}
        started.append(
            subprocess.Popen(
                command, env={**shared, **own}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
            )
        )
    return started


def ends(processes, timeout=500):
    """Exit codes, and what was said on standard error."""
    try:
        said = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], [err for _, err in said]


def wait_for_checkpoint(runs):
    until = time.monotonic() + 450
    while not list(runs.rglob("last.ckpt")):
        assert time.monotonic() < until, "no checkpoint was written"
        time.sleep(0.02)


def the_run(runs):
    (found,) = Path(runs).rglob("result.json")
    return found.parent


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The run on two ranks that Encore itself starts."""
    runs = tmp_path_factory.mktemp("reference")
    command = [sys.executable, str(ROOT / "train.py"), *WORDS]
    subprocess.run(command, check=True, env={**os.environ, "ENCORE_RUNS_DIR": str(runs)}, cwd=ROOT, timeout=300)
    return the_run(runs)


@pytest.mark.slow
def test_torchrun_gives_the_run_that_encore_starts_by_itself(reference, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    command += [str(ROOT / "train.py"), *WORDS]
    for _ in range(2):  # the second time there is nothing to do
        done = subprocess.run(
            command,
            env={**os.environ, "ENCORE_RUNS_DIR": str(tmp_path)},
            cwd=ROOT,
            timeout=300,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert "finished already" in done.stdout
    assert the_run(tmp_path).name == reference.name
    assert_same(the_run(tmp_path), reference)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [[0], [1], [0, 1]])
def test_ranks_that_are_killed_end_the_run_which_continues_to_the_same_bits(reference, tmp_path, killed):
    processes = srun(tmp_path, ranks=2)
    wait_for_checkpoint(tmp_path)
    for rank in killed:
        processes[rank].kill()
    began = time.monotonic()
    codes, errors = ends(processes)
    assert time.monotonic() - began < 60
    left = [rank for rank in range(2) if rank not in killed]
    assert [codes[rank] for rank in left] == [1] * len(left), errors
    for rank in left:
        assert errors[rank].count("error:") == 1
        assert "Traceback" not in errors[rank]
        assert "not answer" in errors[rank]
    assert Result.read(the_run(tmp_path)).status == ("running" if 0 in killed else "failed")
    codes, errors = ends(srun(tmp_path, ranks=2))
    assert codes == [0, 0], errors
    assert "where it was stopped" in (the_run(tmp_path) / "train.log").read_text()
    assert_same(the_run(tmp_path), reference)


@pytest.mark.slow
def test_ranks_with_different_settings_are_refused_and_leave_no_run(tmp_path):
    codes, errors = ends(srun(tmp_path, of_rank={1: ["optim.lr=0.5"]}))
    assert codes == [1, 1]
    assert "config.optim.lr=0.001 on rank 0, 0.5 on rank 1" in errors[0]
    assert not errors[1]
    assert not list(tmp_path.rglob("result.json"))


SHORT = {
    "trainer.devices": 2, "threads": 2, "trainer.accelerator": "cpu", "data.fraction": 0.2, "trainer.max_epochs": 3,
    "model.norm": "batch", "model.dropout": 0.3, "trainer.log_every_n_steps": 2,
}  # fmt: skip


def stopped_and_resumed(run, monkeypatch, settings):
    """A run that is asked to stop in the midst of its second epoch, and started again."""
    plain = Losses.add

    def stop(self, *args):
        plain(self, *args)
        if self.written + len(self.unseen) == 6:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "add", stop)
        with pytest.raises(Preempted):
            run(settings)
    return run(settings).folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"trainer": "fsdp"},
        {"trainer": "fsdp", "trainer.accumulate_grad_batches": 2, "trainer.gradient_clip_val": 0.1},
        {"trainer": "ddp", "trainer.accumulate_grad_batches": 2, "trainer.gradient_clip_val": 0.1},
        # Of more than a megabyte of weights DDP makes several groups, and three ranks have an order to add up in.
        {"trainer": "ddp", "trainer.devices": 3, "threads": 3, "model.widths": [900, 900]},
    ],
    ids=["fsdp", "fsdp accumulating", "ddp accumulating", "three ranks"],
)
def test_a_run_of_several_ranks_resumes_to_the_same_bits(run, monkeypatch, tmp_path, settings):
    settings = {**SHORT, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")}).folder
    assert_same(stopped_and_resumed(run, monkeypatch, settings), reference)


@pytest.mark.slow
def test_sharded_weights_learn_what_whole_ones_do_and_are_saved_whole(run):
    whole, sharded = (run({**SHORT, "trainer": trainer}) for trainer in ("ddp", "fsdp"))
    assert sharded.metrics == pytest.approx(whole.metrics, rel=1e-3)
    held, expected = (weights(result.folder / "checkpoints" / "best.ckpt") for result in (sharded, whole))
    assert {name: tensor.shape for name, tensor in held.items()} == {n: tensor.shape for n, tensor in expected.items()}
    assert all(torch.allclose(tensor, expected[name], rtol=1e-2, atol=1e-3) for name, tensor in held.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"callbacks": "ema"}, "needs the whole weights on each device"),
        ({"task.weight_noise": 0.1}, "weight_noise needs the whole weights"),
    ],
)
def test_what_needs_whole_weights_is_refused_with_sharded_ones(run, settings, message):
    with pytest.raises(ConfigError, match=message):
        run({**SHORT, "trainer": "fsdp", **settings})


NAMES = ("encore-a", "encore-b")


@pytest.fixture
def two_machines():
    """Two network namespaces, joined by a cable: each with the name of its end and its address."""
    ends_of = [f"{name}-e" for name in NAMES]
    commands = [f"ip netns add {name}" for name in NAMES]
    commands += [f"ip link add {ends_of[0]} netns {NAMES[0]} type veth peer name {ends_of[1]} netns {NAMES[1]}"]
    for number, (name, end) in enumerate(zip(NAMES, ends_of, strict=True), 1):
        commands += [f"ip -n {name} addr add 10.99.7.{number}/24 dev {end}"]
        commands += [f"ip -n {name} link set {device} up" for device in (end, "lo")]
    try:
        for command in commands:
            try:
                subprocess.run(command.split(), check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as problem:
                pytest.skip(f"no network namespaces here: {command}: {problem}")
        yield [
            (name, f"10.99.7.{number}", {"GLOO_SOCKET_IFNAME": end})
            for number, (name, end) in enumerate(zip(NAMES, ends_of, strict=True), 1)
        ]
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.slow
def test_two_machines_without_a_common_disk_give_one_run_also_when_one_of_them_is_cut_off(two_machines, tmp_path):
    words = ["trainer.max_epochs=6", "threads=4"]
    apart = {2: [f"runs_dir={tmp_path / 'other'}"], 3: [f"runs_dir={tmp_path / 'other'}"]}
    settings = {"ranks": 4, "nodes": 2, "of_rank": apart, "namespaces": two_machines}
    reference = srun(tmp_path / "reference", *words, **settings)
    codes, errors = ends(reference)
    assert codes == [0, 0, 0, 0], errors
    assert not (tmp_path / "other").exists()
    processes = srun(tmp_path / "runs", *words, **settings)
    wait_for_checkpoint(tmp_path / "runs")
    subprocess.run(["ip", "-n", NAMES[1], "link", "set", f"{NAMES[1]}-e", "down"], check=True)  # no word reaches it
    began = time.monotonic()
    codes, errors = ends(processes)
    assert time.monotonic() - began < 90  # 40 seconds of silence, 10 to end by themselves, and a busy machine
    assert codes == [1, 1, 1, 1], errors
    assert [said.count("error:") for said in errors] == [1, 0, 1, 0]
    assert "ranks 2, 3 do not answer" in errors[0]
    subprocess.run(["ip", "-n", NAMES[1], "link", "set", f"{NAMES[1]}-e", "up"], check=True)
    codes, errors = ends(srun(tmp_path / "runs", *words, **settings))
    assert codes == [0, 0, 0, 0], errors
    assert "where it was stopped" in (the_run(tmp_path / "runs") / "train.log").read_text()
    assert_same(the_run(tmp_path / "runs"), the_run(tmp_path / "reference"))
