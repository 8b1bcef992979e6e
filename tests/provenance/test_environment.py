import getpass
import json
import platform
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from encore.provenance import environment as module
from encore.provenance import variables
from encore.provenance.environment import differences, environment


def test_it_is_plain_and_tells_what_computes():
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["packages"]["torch"] == metadata.version("torch")
    assert found["packages"]["pytorch-lightning"] == metadata.version("pytorch-lightning")
    assert list(found["packages"]) == sorted(found["packages"])
    assert found["threads"] == {"intra": torch.get_num_threads(), "inter": torch.get_num_interop_threads()}
    assert found["cpu"]["cores"] >= 1
    assert found["cpu"]["capability"] == torch.backends.cpu.get_cpu_capability()


def test_every_installed_package_is_there():
    assert module.packages().keys() == {
        package.name.lower().replace("_", "-").replace(".", "-") for package in metadata.distributions()
    }


def test_it_does_not_tell_whose_it_is(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    told = json.dumps({**environment(), "packages": None})
    for private in (platform.node(), f"{Path.home()}/", "hidden", "SECRET_TOKEN"):
        assert private not in told
    assert f'"{getpass.getuser()}"' not in told


def test_only_variables_that_matter(monkeypatch):
    for name in variables.MATTER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment()["variables"] == {"MKL_CBWR": "COMPATIBLE", "CUDA_VISIBLE_DEVICES": ""}
    assert "CUDA_VISIBLE_DEVICES" not in variables.NUMERIC
    assert len(set(variables.MATTER)) == len(variables.MATTER)


def test_the_lock_file(tmp_path):
    assert environment(tmp_path)["lock_sha256"] is None
    (tmp_path / "requirements.lock").write_bytes(b"")
    assert environment(tmp_path)["lock_sha256"].startswith("e3b0c442")


@pytest.fixture
def settings():
    """Torch's settings as they are at first, whatever a test before has left; brought back afterwards."""
    matmul = torch.backends.cuda.matmul
    mode, precision = torch.get_deterministic_debug_mode(), matmul.fp32_precision
    torch.set_deterministic_debug_mode("default")
    matmul.fp32_precision = "none"
    yield
    torch.set_deterministic_debug_mode(mode)
    matmul.fp32_precision = precision


def test_settings_of_torch(settings):
    before = environment()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with pytest.raises(RuntimeError, match="mix of the legacy and new"):
        _ = torch.backends.cuda.matmul.allow_tf32
    assert differences(before, environment()) == [
        "determinism.algorithms: False recorded, True here",
        "determinism.warn_only: False recorded, True here",
        "tf32.cuda.matmul.fp32_precision: none recorded, tf32 here",
    ]


def test_it_does_not_start_cuda_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("CUDA was started"))
    found = environment()
    assert (found["gpus"], found["cudnn"]) == ([], None)


def test_gpus(monkeypatch):
    gpu = SimpleNamespace(name="NVIDIA H200", total_memory=150_000_000_000, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: gpu)
    assert module.gpus() == [{"name": "NVIDIA H200", "memory_bytes": 150_000_000_000, "capability": "9.0"}] * 2


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build", "580.65.06"),
        ("something else", None),
        (None, None),
    ],
)
def test_driver(tmp_path, monkeypatch, said, version):
    monkeypatch.setattr(module, "DRIVER", tmp_path / "version")
    if said is not None:
        (tmp_path / "version").write_text(said)
    assert module.driver() == version


@pytest.mark.parametrize(
    ("cpuinfo", "model", "kind"),
    [
        (
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n"
            "flags\t\t: fpu vme\npower management:\n\nprocessor\t: 1\nmodel name\t: Another\n",
            "AMD EPYC",
            "vendor_id AuthenticAMD, cpu family 25, model 17",
        ),
        (
            "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n",
            platform.processor() or None,
            "CPU implementer 0x41, CPU architecture 8, CPU part 0xd40",
        ),
        ("", platform.processor() or None, None),
    ],
)
def test_cpu(tmp_path, monkeypatch, cpuinfo, model, kind):
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert (module.cpu()["model"], module.cpu()["kind"]) == (model, kind)


@pytest.mark.parametrize(
    ("recorded", "now", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        (
            {"packages": {"torch": "2.15.0"}},
            {"packages": {"torch": "2.16.0"}},
            ["packages.torch: 2.15.0 recorded, 2.16.0 here"],
        ),
        ({"driver": "550"}, {"driver": None}, ["driver: 550 recorded, nothing here"]),
        ({}, {"variables": {"MKL_CBWR": "AVX2"}}, ["variables.MKL_CBWR: nothing recorded, AVX2 here"]),
        ({"hip": None}, {}, []),
        ({"gpus": []}, {"gpus": [{"name": "H200"}]}, ["gpus.0.name: nothing recorded, H200 here"]),
        ({"a": [1, 2]}, {"a": (1, 2)}, []),
        ({"a": {"b": 1}}, {"a": 2}, ["a.b: 1 recorded, nothing here", "a: nothing recorded, 2 here"]),
    ],
)
def test_differences(recorded, now, expected):
    assert differences(recorded, now) == expected


def test_what_gpus_alone_read_is_no_difference_of_runs_on_a_cpu():
    recorded = {"driver": "550", "variables": {"CUBLAS_WORKSPACE_CONFIG": ":16:8", "MKL_CBWR": "AVX2"}}
    now = {"driver": None, "cudnn": 91300, "variables": {"CUDA_VISIBLE_DEVICES": ""}}
    assert differences(recorded, now, on_cpu=True) == ["variables.MKL_CBWR: AVX2 recorded, nothing here"]
    assert len(differences(recorded, now)) == 5
