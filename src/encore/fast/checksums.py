"""TensorBoard's checksums by C code: by its own, in Python, those of a short run's pictures take a tenth of the run."""

import google_crc32c
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow


def compute_by_library() -> None:
    """Let TensorBoard compute CRC-32C (RFC 3720) by a library: 0.05 ms for 100 kB, and 10 ms in Python."""
    pywrap_tensorflow.crc32c = google_crc32c.value
