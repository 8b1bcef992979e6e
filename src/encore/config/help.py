"""`python train.py --help`: the available options, read from the configs themselves, without importing Hydra."""

import sys
from pathlib import Path

from encore.config import places

EXAMPLES = (
    ("", "the default run"),
    ("model=mlp optim=adam optim.lr=3e-3 seed=1", ""),
    ("experiment=digits_mlp", "a recipe with its result"),
    ("callbacks=early_stopping 'augment=[flip_crop,random_erasing]'", ""),
    ("-m 'seed=range(3)' optim=sgd,adam", "a sweep: six runs, and a report on them"),
    ("-m sweep=mlp_search", "a sweep or search with a name, from configs/sweep/"),
    ("-m … hydra/launcher=joblib", "several at once; also submitit_local, submitit_slurm, ray"),
    ("--config-dir my_configs model=mine", "options of your own; ENCORE_CONFIGS names such folders for good"),
    ("--cfg job", "every setting with its value; any can be changed"),
    ("--hydra-help", "Hydra's own flags"),
)


def called() -> str:
    """How the command was called: by this clone's or project's script, or the installed command."""
    return "encore train" if sys.argv[0] == "encore train" else "python train.py"


def text() -> str:
    """The whole help: usage, then every group with its options."""
    usage = "".join(f"  {f'{called()} {words}':51} {about}".rstrip() + "\n" for words, about in EXAMPLES)
    groups = (group(name) for name in places.groups())
    return "\n".join(["Train one run, or sweep over many.\n", usage, *groups])


def group(name: str) -> str:
    """One group's options; of two with the same name, the one that Hydra would choose."""
    files = {option: places.find(f"{name}/{option}") for option in places.options(name)}
    lines = (f"{f'{name}={option}':32}  {about(file)}".rstrip() for option, file in files.items() if file)
    return "\n".join(lines) + "\n"


def about(file: Path) -> str:
    """A config's first comment line that describes it."""
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((line for line in comments if not line.startswith(("@package", "python "))), "")
