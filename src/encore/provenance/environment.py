"""The machine, packages and settings that a run's numbers may depend on; not whose they are."""

import os
import platform
import re
import sys
from functools import lru_cache
from importlib import metadata
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch

from encore.config import places
from encore.config.cores import usable_cores
from encore.files import sha256
from encore.provenance.variables import MATTER, OF_GPUS

# What torch reports about its build.
LIBRARIES = {
    "blas": r"BLAS_INFO=(\w+)",
    "lapack": r"LAPACK_INFO=(\w+)",
    "mkl": r"Math Kernel Library Version ([\d.]+)",
    "onednn": r"MKL-DNN v(\S+)",
    "openmp": r"OpenMP (\d+)",
    "compiler": r"- ((?:GCC|clang|Clang|MSVC) .*)",
}

# Settings in torch.backends. Those of precision also tell what was set in the older ways, by allow_tf32 or
# set_float32_matmul_precision; these raise when they are read where both have been used.
DETERMINISM = ("cudnn.enabled", "cudnn.deterministic", "cudnn.benchmark", "mkldnn.enabled", "mkldnn.deterministic")
PRECISION = (
    "fp32_precision", "cuda.matmul.fp32_precision",
    "cudnn.fp32_precision", "cudnn.conv.fp32_precision", "cudnn.rnn.fp32_precision",
    "mkldnn.fp32_precision", "mkldnn.matmul.fp32_precision", "mkldnn.conv.fp32_precision", "mkldnn.rnn.fp32_precision",
    "cuda.matmul.allow_fp16_accumulation", "cuda.matmul.allow_fp16_reduced_precision_reduction",
    "cuda.matmul.allow_bf16_reduced_precision_reduction",
)  # fmt: skip

GPUS = ("gpus", "driver", "cuda", "hip", "cudnn")  # what an environment tells of them
DRIVER = Path("/proc/driver/nvidia/version")
CPUINFO = Path("/proc/cpuinfo")


def environment(root: Path | None = None, with_gpus: bool = True) -> dict[str, Any]:
    """What a run's numbers may depend on besides its config, code and data, as plain values.

    Args:
        root: the project's folder; None finds it.
        with_gpus: whether GPUs matter; asking wakes them up.
    """
    lock = (root or places.root()) / "requirements.lock"
    return {
        "packages": packages(),
        "lock_sha256": sha256(lock) if lock.is_file() else None,
        "python": f"{platform.python_version()} {platform.python_implementation()}",
        "os": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "cpu": cpu(),
        "libraries": libraries(),
        "gpus": gpus() if with_gpus else [],
        "driver": driver(),
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        # Asking loads it, which takes a while, and without a GPU it computes nothing.
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "threads": {"intra": torch.get_num_threads(), "inter": torch.get_num_interop_threads()},
        "variables": {name: os.environ[name] for name in MATTER if name in os.environ},
        "determinism": determinism(),
        "tf32": tf32(),
    }


def packages() -> dict[str, str]:
    """Versions of the installed packages, by normalised name."""
    return dict(found_in(tuple((entry, changed(entry)) for entry in sys.path)))


@lru_cache(maxsize=1)
def found_in(places: tuple[tuple[str, int | None], ...]) -> dict[str, str]:
    """The packages on the search path, while its folders are as they are."""
    versions: dict[str, str] = {}
    for package in metadata.distributions():
        # Only the first lines: parsing all of it takes a millisecond a package.
        facts = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
        name, version = re.search(r"^Name: *(\S+)", facts, re.M), re.search(r"^Version: *(\S+)", facts, re.M)
        if name and version:
            versions.setdefault(re.sub(r"[-_.]+", "-", name[1]).lower(), version[1])  # the first one is imported
    return dict(sorted(versions.items()))


def changed(folder: str) -> int | None:
    """When a folder was changed, in ns; None of what is none."""
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 (quick)
    except OSError:
        return None


def cpu() -> dict[str, Any]:
    """The processor, and which of its instruction sets torch uses."""
    facts = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", text(CPUINFO).partition("\n\n")[0], re.M))
    # Virtual machines share a model name among generations; ARM has none.
    kind = ("vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU architecture", "CPU part")
    return {
        "model": facts.get("model name") or platform.processor() or None,
        "kind": ", ".join(f"{name} {facts[name]}" for name in kind if name in facts) or None,
        "architecture": platform.machine(),
        "cores": usable_cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def libraries() -> dict[str, str | None]:
    """The libraries that torch was built with, and the commit it was built from."""
    said = torch.__config__.show()
    found = {name: re.search(pattern, said) for name, pattern in LIBRARIES.items()}
    return {name: match and match[1] for name, match in found.items()} | {"torch_commit": torch.version.git_version}


def gpus() -> list[dict[str, Any]]:
    """The GPUs that this process may use."""
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [
        {"name": gpu.name, "memory_bytes": gpu.total_memory, "capability": f"{gpu.major}.{gpu.minor}"} for gpu in found
    ]


def driver() -> str | None:
    """Version of NVIDIA's driver."""
    version = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", text(DRIVER))
    return version and version[1]


def determinism() -> dict[str, bool]:
    """Whether torch is restricted to deterministic operations."""
    return {
        "algorithms": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill_uninitialized_memory": attrgetter("deterministic.fill_uninitialized_memory")(torch.utils),
        **{name: attrgetter(name)(torch.backends) for name in DETERMINISM},
    }


def tf32() -> dict[str, Any]:
    """Where torch may compute with reduced precision: not where it says `ieee`; `none` is unset."""
    return {name: attrgetter(name)(torch.backends) for name in PRECISION}


def text(file: Path) -> str:
    """A file's text; empty if there is none."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def differences(recorded: dict[str, Any], now: dict[str, Any], on_cpu: bool = False) -> list[str]:
    """What differs from the record, a line each, as in `packages.torch: 2.15.0 recorded, 2.16.0 here`.

    Args:
        recorded: the environment of a run.
        now: that of another one, or of this process.
        on_cpu: the run is on a CPU: what GPUs alone read is left out.
    """
    then, here = (flat(without_gpus(each) if on_cpu else each) for each in (recorded, now))
    return [
        f"{path}: {then.get(path, 'nothing')} recorded, {here.get(path, 'nothing')} here"
        for path in {**then, **here}
        if then.get(path) != here.get(path)
    ]


def without_gpus(environment: dict[str, Any]) -> dict[str, Any]:
    """An environment without what GPUs alone read."""
    kept = {name: value for name, value in environment.items() if name not in GPUS}
    variables = {name: value for name, value in kept.get("variables", {}).items() if name not in OF_GPUS}
    return kept | {"variables": variables}


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every non-empty value, by its dotted path."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {} if value is None else {path: value}
    return {
        inner: leaf
        for key, item in value.items()
        for inner, leaf in flat(item, f"{path}.{key}" if path else str(key)).items()
    }
