"""How many threads a run has when nobody says so, in containers of both versions of control groups."""

import os

import pytest

from encore.config import cores

MAX, HALF, TWO = "max 100000\n", "50000 100000\n", "200000 100000\n"
QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
# What /proc/self/cgroup says, the files below /sys/fs/cgroup, and how many of eight cores there are.
MACHINES = [
    ("0::/\n", {}, 8),
    ("0::/\n", {"cpu.max": TWO}, 2),
    ("0::/\n", {"cpu.max": HALF}, 1),
    ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": MAX}, 8),
    ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
    ("0::/\n", {"cpu.max": ""}, 8),
    ("0::/\n", {"cpu.max": "none of this\n"}, 8),
    ("0::/a/b\n", {"a/b/cpu.max": MAX, "a/cpu.max": TWO}, 2),
    ("0::/../../host\n", {"cpu.max": TWO}, 2),
    ("4:cpu,cpuacct:/docker/1\n", {f"cpu/docker/1/{QUOTA}": "300000\n", f"cpu/docker/1/{PERIOD}": "100000\n"}, 3),
    ("4:cpu,cpuacct:/on/host\n", {f"cpu,cpuacct/{QUOTA}": "300000\n", f"cpu,cpuacct/{PERIOD}": "100000\n"}, 3),
    ("4:cpu:/\n3:memory:/\n", {f"cpu/{QUOTA}": "-1\n", f"cpu/{PERIOD}": "100000\n"}, 8),
    ("5:memory:/\n", {}, 8),
    (None, {}, 8),
]  # fmt: skip


@pytest.mark.parametrize(("mine", "files", "expected"), MACHINES)
def test_a_container_s_share_counts(tmp_path, monkeypatch, mine, files, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "MINE", tmp_path / "mine")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if mine is not None:
        cores.MINE.write_text(mine, encoding="utf-8")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="ascii")
    assert cores.usable_cores() == cores.available_cores() == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert cores.available_cores() == 5
