"""Where a sweep keeps its report, and what its processes say to each other."""

import hashlib
import os
import re
import time
from collections.abc import Sequence


def multirun(words: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep."""
    return bool({"-m", "--multirun"} & set(words))


def folder_word(words: Sequence[str]) -> str:
    """The override that gives a sweep its folder: named by `sweep=NAME` and a hash of what it runs.

    The same sweep has the same folder, whatever launcher it uses, and a search with more trials, too; each process
    that begins it has its own below.
    """
    named = next((match[1] for each in words if (match := re.fullmatch(r"\+?sweep=([\w-]+)", each))), "sweep")
    aside = r"-|\+*hydra[./]launcher|\+*hydra\.sweeper\.trials="
    what = sorted(each for each in words if not re.match(aside, each))
    mark = hashlib.sha256("\n".join(what).encode()).hexdigest()[:8]
    began = time.strftime("%Y-%m-%d_%H-%M-%S")
    return f"hydra.sweep.dir=${{runs_dir}}/sweeps/{named}-{mark}/processes/{began}-{os.getpid()}"
