"""A run that starts from the weights of another, of a checkpoint or of a file: `init_from`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from encore.callbacks.frozen import Frozen
from encore.errors import ConfigError, InputError
from encore.models.fine_tuning import Loaded, freeze, load
from encore.models.saved import read
from encore.provenance.contents import digest_of
from encore.record import seal
from encore.record.result import Result
from encore.runner.parts import Parts


@dataclass(frozen=True)
class FirstWeights:
    """Where a run's first weights come from.

    Attributes:
        file: which was read.
        sha256: its digest.
        tensors: what was loaded of it, and what not.
        frozen: the modules that are not trained.
    """

    file: str
    sha256: str
    tensors: Loaded
    frozen: list[str]

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {"file": self.file, "sha256": self.sha256, **asdict(self.tensors), "frozen": self.frozen}

    @property
    def words(self) -> str:
        """For the terminal."""
        loaded, new, unused = self.tensors.loaded, self.tensors.new, self.tensors.unused
        said = [f"{self.file}: {len(loaded)} of {len(loaded) + len(new)} tensors loaded"]
        said += [f"{what}: {modules(tensors)}" for what, tensors in (("new", new), ("not used", unused)) if tensors]
        if self.frozen:
            said.append(f"frozen: {self.frozen[0]} to {self.frozen[-1]}")
        return "; ".join(said)


def modules(tensors: list[str]) -> str:
    """The modules of tensors, each once."""
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in tensors))


def begin_from(cfg: dict, parts: Parts) -> FirstWeights | None:
    """Load the weights that a run starts from into its net, or its task if it has none, and freeze what is not trained.

    Raises:
        InputError: they cannot be read, or do not fit; the net is then as it was.
        ConfigError: the net has fewer layers than are to be trained.
    """
    if not cfg.get("init_from"):
        return None
    file, chosen = Path(cfg["init_from"]), cfg["fine_tune"]
    check_run_of(file)
    net = getattr(parts.task, "net", parts.task)
    try:
        loaded = load(net, read(file, of_net=net is not parts.task), chosen["new"])
    except ValueError as problem:
        raise InputError(f"init_from={file}: {problem}") from problem
    try:
        frozen = freeze(net, chosen["trained"])
    except ValueError as problem:
        raise ConfigError(str(problem)) from problem
    if frozen:
        by_name = dict(net.named_modules())
        parts.trainer.callbacks.append(Frozen([by_name[name] for name in frozen]))  # type: ignore[attr-defined]
    return FirstWeights(str(file), digest_of(file), loaded, frozen)


def check_run_of(file: Path) -> None:
    """Check that a run whose checkpoint it is has finished, and is as it was then.

    Raises:
        InputError: it is not.
    """
    folder = file.parent.parent
    if file.parent.name != "checkpoints" or not (folder / "result.json").is_file():
        return
    if (status := Result.read(folder).status) != "finished":
        raise InputError(f"init_from: {folder} is {status}, not finished")
    seal.check(folder, f"checkpoints/{file.name}")
