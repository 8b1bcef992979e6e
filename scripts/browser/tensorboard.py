"""TensorBoard, served for a while."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """Serve a folder of runs as `make board` does; gives the address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", folder.name, "--port", "0", "--host", "127.0.0.1"],
        cwd=folder.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        assert process.stderr is not None
        lines = (line.split() for line in process.stderr if " at http" in line)
        yield next(word for line in lines for word in line if word.startswith("http"))
    finally:
        process.terminate()
        process.communicate()  # closes its pipe
