"""Try on a GPU what Encore promises, and measure what its settings gain: a table, and a JSON file.

It takes less than eight minutes. Without a GPU it tries on the processor what can be tried there, in small sizes. Exit
code 1 where something fails.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from gpu.parts import PARTS, place_in, said
from gpu.rows import FAILED, NOT_MEASURED, Row, read, table, write

from encore.command import end
from encore.config.accelerator import cuda_devices
from encore.errors import ConfigError

MINUTES = 7.5
OVER = "the time was over: --minutes allows more"


def main() -> int:
    """Run the command."""
    wanted = arguments()
    if unknown := [name for name in wanted.only if name not in PARTS]:
        raise ConfigError(f"there is no part {unknown[0]}; choose from {', '.join(PARTS)}")
    if wanted.part is not None:
        return one(wanted.part, wanted.json)
    until, rows = time.monotonic() + 60 * wanted.minutes, list[Row]()
    for name in wanted.only or PARTS:
        found = alone(name, until - time.monotonic())
        print("\n".join(row.line() for row in found), flush=True)
        rows += found
    print(f"\n{table(rows)}")
    write(rows, machine(), wanted.json)
    print(f"\n{wanted.json}")
    return int(any(row.status == FAILED for row in rows))


def arguments() -> argparse.Namespace:
    about = "\n".join(f"  {name:18}{str(part.__doc__).partition(chr(10))[0]}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"parts:\n{about}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="PART", default=[], help="try only these parts")
    parser.add_argument("--json", type=Path, metavar="FILE", default=Path("gpu_check.json"), help="where rows go")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"at most, for all of it ({MINUTES:g})")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)  # in a process of its own
    return parser.parse_args()


def alone(name: str, seconds: float) -> list[Row]:
    """Try a part in a process of its own: an error on a GPU leaves nothing that could be used in its process."""
    if seconds <= 0:
        return [Row(name, "all of it", NOT_MEASURED, note=OVER)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        words = [sys.executable, __file__, "--part", name, "--json", str(file)]
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
            start_new_session=True,
        )  # fmt: skip
        try:
            _, complaint = process.communicate(timeout=seconds)
            over = False
        except subprocess.TimeoutExpired:
            over = True
        except BaseException:
            kill(process)
            raise
        if over:
            kill(process)
        found = read(file) if file.exists() else []
    if over:
        found.append(Row(name, "the rest", NOT_MEASURED, note=OVER))
    elif process.returncode:
        lines = complaint.strip().splitlines() or ["no message"]
        found.append(Row(name, f"exit code {process.returncode}", FAILED, note=lines[-1]))
    return found


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
        except Exception as problem:
            rows.append(Row(name, "all of it" if not rows else "the rest", FAILED, note=said(problem)))
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
