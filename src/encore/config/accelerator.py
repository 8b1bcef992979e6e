"""Which accelerator `auto` means here, found without importing torch."""

import ctypes
import platform
from importlib import metadata, util
from pathlib import Path

from encore.config.facts import show
from encore.config.launched import launched
from encore.errors import NoDevice


def resolve(accelerator: str) -> str:
    """What Lightning chooses for `auto` or `gpu`; other names, and a missing GPU, stay as they are."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    best = "mps" if apple_gpu() else "cuda" if cuda_devices() else "cpu"
    return accelerator if accelerator == "gpu" and best == "cpu" else best


def at_hand(recorded: str) -> str:
    """Where to test a run recorded on an accelerator: a GPU's run on the best device here."""
    return resolve("auto") if recorded in ("cuda", "mps") else recorded


def check_device(cfg: dict) -> None:
    """Raise NoDevice if this machine lacks what the trainer asks for, as far as its drivers tell."""
    wanted = cfg["trainer"].get("accelerator")
    there = {"gpu": lambda: apple_gpu() or cuda_devices(), "cuda": cuda_devices, "mps": apple_gpu}
    if wanted in there and not there[wanted]():
        raise NoDevice(lacking(wanted))
    place = launched()  # on several machines each has its part of the devices
    asked = place.local_ranks if place else device_count(cfg)
    if wanted == "cuda" and asked > (count := cuda_devices()):
        raise NoDevice(f"trainer.devices={show(cfg['trainer']['devices'])}: this machine has {count} of them")


def lacking(accelerator: str) -> str:
    """What to do where there is none of a kind of device."""
    return (
        f"trainer.accelerator={accelerator} asks for a device that this machine lacks: use trainer=cpu, "
        "or trainer=default, which takes the best available"
    )


def apple_gpu() -> bool:
    """Whether this is a Mac with a GPU that torch can use."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def cuda_devices() -> int:
    """How many CUDA or ROCm devices the driver shows to this process, if torch is built for them."""
    build = torch_build()
    if "+cpu" in build:
        return 0
    driver = ctypes_library("libamdhip64.so" if "rocm" in build else "libcuda.so.1", "nvcuda.dll")
    if driver is None:
        return 0
    prefix, count = ("hip" if "rocm" in build else "cu"), ctypes.c_int(0)
    if getattr(driver, f"{prefix}Init")(0) != 0:
        return 0
    counted = driver.hipGetDeviceCount if prefix == "hip" else driver.cuDeviceGetCount
    return count.value if counted(ctypes.byref(count)) == 0 else 0


def ctypes_library(*names: str) -> ctypes.CDLL | None:
    """The first of these libraries that is installed."""
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def torch_build() -> str:
    """torch's version and build, such as `2.15.0+cu132`, read from its file without importing it."""
    spec = util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if file is None or not file.is_file():
        return metadata.version("torch")
    line = next((line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("__version__")), "")
    return line.partition("=")[2].strip(" '\"")


def device_count(cfg: dict) -> int:
    """Number of a run's processes: `devices` is a number, or a list of device numbers."""
    devices = cfg["trainer"].get("devices", 1)
    return len(devices) if isinstance(devices, list) else int(devices)
