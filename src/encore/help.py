"""`python train.py --help`: what can be chosen, read from the configs themselves, without importing Hydra."""

from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs"

USAGE = """\
Train one run, or sweep over many.

  python train.py                                   the default run: digits, mlp, adam
  python train.py model=mlp optim=adam optim.lr=3e-3 seed=1
  python train.py experiment=digits_mlp             a recipe with its result
  python train.py callbacks=early_stopping 'augment=[flip_crop,random_erasing]'
  python train.py -m 'seed=range(3)' optim=sgd,adam a sweep: six runs, and a report on them
  python train.py -m sweep=mlp_search               a sweep or search with a name, from configs/sweep/
  python train.py -m … hydra/launcher=joblib        several at once; also submitit_local, submitit_slurm, ray
  python train.py --cfg job                         every setting, with what is chosen; any can be changed
  python train.py --hydra-help                      Hydra's own flags
"""


def text() -> str:
    """The whole help: how to call it, then every part with what its config says of it."""
    groups = sorted({file.parent for file in CONFIGS.glob("*/**/*.yaml")})
    return "\n".join([USAGE, *map(group, groups)])


def group(folder: Path) -> str:
    """One group's options."""
    name = folder.relative_to(CONFIGS).as_posix()
    lines = (f"{f'{name}={file.stem}':32}  {about(file)}".rstrip() for file in sorted(folder.glob("*.yaml")))
    return "\n".join(lines) + "\n"


def about(file: Path) -> str:
    """A config's first comment that says what it is, without its command."""
    comments = (line[1:].strip() for line in file.read_text().splitlines() if line.startswith("#"))
    return next((line for line in comments if not line.startswith(("@package", "python "))), "")
