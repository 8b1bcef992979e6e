"""Try on a GPU what Encore promises, and measure what its settings gain: a table, and a JSON file.

It takes less than eight minutes. Without a GPU it tries on the CPU what can be tried there, in small sizes. Exit code 1
where something fails.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpu.parts import PARTS, place_in, said
from gpu.rows import FAILED, HEAD, NO_GPU, NOT_MEASURED, Row, read, summary, write

from encore.command import end
from encore.config.accelerator import cuda_devices
from encore.errors import ConfigError
from encore.files import writing

MINUTES = 7.5
OVER = "the time was over: --minutes allows more"


def main() -> int:
    """Run the command."""
    wanted = arguments()
    if unknown := [name for name in wanted.only if name not in PARTS]:
        raise ConfigError(f"there is no part {unknown[0]}; choose from {', '.join(PARTS)}")
    if wanted.part is not None:
        return one(wanted.part, wanted.json)
    rows: list[Row] = []
    write(rows, {}, wanted.json)  # what cannot be written is said before the minutes are spent
    print("on the GPU" if cuda_devices() else f"{NO_GPU}: what can be tried on the CPU is, in small sizes")
    print(HEAD, flush=True)
    until = time.monotonic() + 60 * wanted.minutes
    for name in dict.fromkeys(wanted.only or PARTS):
        found = alone(name, until - time.monotonic())
        print("\n".join(row.line() for row in found), flush=True)
        rows += found
        write(rows, {}, wanted.json)
    write(rows, machine(), wanted.json)
    print(f"\n{summary(rows)}\n{wanted.json}")
    return int(any(row.status == FAILED for row in rows))


def arguments() -> argparse.Namespace:
    about = "\n".join(f"  {name:18}{str(part.__doc__).partition(chr(10))[0]}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"parts:\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="PART", default=[], help="try only these parts")
    parser.add_argument("--json", type=Path, metavar="FILE", default=Path("gpu_check.json"), help="where rows go")
    parser.add_argument("--minutes", type=minutes, default=MINUTES, help=f"at most, for all of it ({MINUTES:g})")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args()


def minutes(text: str) -> float:
    """A length of time."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return value


def alone(name: str, seconds: float) -> list[Row]:
    """Try a part in a process of its own: an error on a GPU leaves nothing that could be used in its process."""
    if seconds <= 0:
        return [Row(name, "all of it", NOT_MEASURED, note=OVER)]
    with scratch() as folder:
        file = folder / "rows.json"
        words = [sys.executable, __file__, "--part", name, "--json", str(file)]
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
            start_new_session=True, env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
        try:
            _, complaint = process.communicate(timeout=seconds)
            over = False
        except subprocess.TimeoutExpired:
            over = True
        finally:
            kill(process)  # and the runs that it has left
        found = read(file) if file.exists() else []
    if over:
        found.append(Row(name, "the rest" if found else "all of it", NOT_MEASURED, note=OVER))
    elif process.returncode:
        lines = complaint.strip().splitlines() or ["no message"]
        found.append(Row(name, f"exit code {process.returncode}", FAILED, note=lines[-1]))
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a part and all that it starts, which may still write while it is deleted."""
    with writing(Path(tempfile.gettempdir())):
        folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kill(process: "subprocess.Popen[str]") -> None:
    """End a part and the runs that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def one(name: str, file: Path) -> int:
    """Try a part here; its rows are written as they come, as the process may not live to its end."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for row in PARTS[name](place_in(Path(folder))):
                rows.append(row)
                write(rows, {}, file)
        except (Exception, SystemExit) as problem:  # of a command that a part runs
            rows.append(Row(name, "the rest" if rows else "all of it", FAILED, note=said(problem)))
            write(rows, {}, file)
    return 0


def machine() -> dict:
    """The machine that was checked."""
    from encore.provenance.environment import environment

    here = environment(with_gpus=bool(cuda_devices()))
    packages = {name: here["packages"].get(name) for name in ("torch", "pytorch-lightning", "encore")}
    return {name: here[name] for name in ("os", "python", "cpu", "gpus", "driver", "cuda", "cudnn")} | {
        "packages": packages
    }


if __name__ == "__main__":
    end(main)
