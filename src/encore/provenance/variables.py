"""Environment variables that change a run's numbers: which of them are part of it, and why others are not.

A run that was made under one of these is another run than the same command without it. Where none is set, they are no
part of the fingerprint. Each stands with the values that mean the same as none.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from encore.config.accelerator import device_count

ANY: tuple[str, ...] = ()  # every value changes something
OFF = ("0",)  # it is a switch, and off without it

Table = dict[str, tuple[str, ...]]

# Instruction sets, kernels and precision of the CPU, which draws the first weights whatever the run trains on.
CPU: Table = {
    "ATEN_CPU_CAPABILITY": ANY,
    "MKL_CBWR": ANY, "MKL_ENABLE_INSTRUCTIONS": ANY, "MKL_DEBUG_CPU_TYPE": ANY, "MKL_DISABLE_FAST_MM": OFF,
    "ONEDNN_MAX_CPU_ISA": ("ALL", "DEFAULT"), "DNNL_MAX_CPU_ISA": ("ALL", "DEFAULT"),
    "ONEDNN_CPU_ISA_HINTS": ("NO_HINTS",), "DNNL_CPU_ISA_HINTS": ("NO_HINTS",),
    "ONEDNN_DEFAULT_FPMATH_MODE": ("STRICT",), "DNNL_DEFAULT_FPMATH_MODE": ("STRICT",),
    "OPENBLAS_CORETYPE": ANY, "NPY_DISABLE_CPU_FEATURES": ANY, "NPY_ENABLE_CPU_FEATURES": ANY,
    "TORCH_MKLDNN_MATMUL_MIN_DIM": ANY, "TORCH_MKLDNN_MATMUL_MIN_SIZE": ANY, "TORCH_LINEAR_FLATTEN_3D": OFF,
    # Who shares out a sum: not how many threads there are, which the config says, but that there are fewer after all.
    "OMP_DYNAMIC": ("false", "FALSE", "0"), "OMP_THREAD_LIMIT": ANY,
    "MKL_DYNAMIC": ("true", "TRUE", "1"), "MKL_DOMAIN_NUM_THREADS": ANY,
    "KMP_DETERMINISTIC_REDUCTION": OFF, "KMP_FORCE_REDUCTION": ANY,
    # Code that TorchScript fuses sums in another order.
    "PYTORCH_JIT": ("1",),
}  # fmt: skip
# Precision and kernels of a GPU.
GPU: Table = {
    "NVIDIA_TF32_OVERRIDE": ANY, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": OFF,
    # Lightning sets this value itself for deterministic=true, and it stays set in its process.
    "CUBLAS_WORKSPACE_CONFIG": (":4096:8",),
    "CUBLASLT_WORKSPACE_SIZE": ANY, "TORCH_CUBLASLT_UNIFIED_WORKSPACE": OFF, "TORCH_BLAS_PREFER_CUBLASLT": OFF,
    "TORCH_BLAS_PREFER_HIPBLASLT": OFF, "DISABLE_ADDMM_CUDA_LT": OFF,
    "CUBLAS_EMULATE_SINGLE_PRECISION": OFF, "CUBLAS_EMULATE_DOUBLE_PRECISION": OFF, "CUBLAS_EMULATION_STRATEGY": ANY,
    "TORCH_LINALG_PREFER_CUSOLVER": OFF, "TORCH_LINALG_PREFER_HIPSOLVER": OFF, "TORCH_ROCM_FA_PREFER_CK": OFF,
    "TORCH_CUDNN_V8_API_DISABLED": OFF, "TORCH_CUDNN_USE_HEURISTIC_MODE_B": OFF,
    "TORCH_CUDNN_SDPA_DEPRIORITIZED": OFF, "CUDNN_ERRATA_JSON_FILE": ANY,
    "PYTORCH_TUNABLEOP_ENABLED": OFF,
    "PYTORCH_MIOPEN_SUGGEST_NHWC": OFF, "PYTORCH_MIOPEN_SUGGEST_NHWC_BATCHNORM": OFF,
    "MIOPEN_FIND_MODE": ANY, "MIOPEN_FIND_ENFORCE": ANY, "HSA_OVERRIDE_GFX_VERSION": ANY,
    "PYTORCH_MPS_FAST_MATH": OFF, "PYTORCH_MPS_PREFER_METAL": OFF, "PYTORCH_ENABLE_MPS_FALLBACK": OFF,
}  # fmt: skip
# In which order several GPUs add up their gradients.
RANKS: Table = {"NCCL_ALGO": ANY, "NCCL_PROTO": ANY, "NCCL_NVLS_ENABLE": ANY}
# What a compiled net is made of.
COMPILED: Table = {
    "TORCH_COMPILE_DISABLE": OFF, "TORCHDYNAMO_DISABLE": OFF, "TORCHINDUCTOR_USE_FAST_MATH": OFF,
    "TORCHINDUCTOR_MAX_AUTOTUNE": OFF, "TORCHINDUCTOR_EMULATE_PRECISION_CASTS": OFF, "TORCHINDUCTOR_FREEZING": OFF,
}  # fmt: skip

# By whom they are read.
READ_BY: list[tuple[Table, Callable[[dict], bool]]] = [
    (CPU, lambda cfg: True),
    (GPU, lambda cfg: cfg["trainer"].get("accelerator") != "cpu"),
    (RANKS, lambda cfg: device_count(cfg) > 1),
    (COMPILED, lambda cfg: bool(cfg["trainer"].get("compile"))),
]
COUNTED = {name: same for table, _ in READ_BY for name, same in table.items()}

# Recorded of GPUs, and set again where a run is reproduced; but the same command is the same run with them and without.
RECORDED_OF_GPUS = (
    # How memory is shared out: it decides at most whether the fastest kernel fits.
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING",
    # When: the same kernels, one after another; or kernels that are chosen only where the switch above is on.
    "CUDA_LAUNCH_BLOCKING", "PYTORCH_TUNABLEOP_TUNING",
)  # fmt: skip
# The same of the CPU.
RECORDED = (
    # How many threads there are: `threads` is part of the config, and the run sets it.
    "OMP_NUM_THREADS", "OMP_SCHEDULE", "OMP_MAX_ACTIVE_LEVELS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    # The order of sets is drawn anew in every process without it, so nothing that can be had again depends on it.
    "PYTHONHASHSEED",
)  # fmt: skip
NUMERIC = (*COUNTED, *RECORDED, *RECORDED_OF_GPUS)
# Those that mean something on their own machine only, besides.
WHICH_GPUS = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
MATTER = (*NUMERIC, *WHICH_GPUS, "GLIBC_TUNABLES")
# Those that a run on a CPU does not read.
OF_GPUS = (*GPU, *RECORDED_OF_GPUS, *WHICH_GPUS)


def counted(cfg: dict[str, Any], variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that are part of a run, with their values; empty where none is set to anything of consequence.

    Args:
        cfg: the run's config.
        variables: those that are set, such as the record's.
    """
    return {
        name: value
        for table, reads in READ_BY
        if reads(cfg)
        for name, same in table.items()
        if (value := variables.get(name, "")) and value not in same
    }
