"""The words of a command line: values in Hydra's grammar, what Hydra cannot read or would ignore, groups turned off."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from encore.config import places
from encore.config.hints import NAMED, RERUN
from encore.config.refusal import NO_TEXT
from encore.config.settings import GROUPS_OF_PARTS
from encore.errors import ConfigError

# Settings of Hydra's that have no effect, and what has.
OF_HYDRA = {
    "hydra.run.dir": NAMED,
    "hydra.output_subdir": f"the config is in each run's config.yaml; {NAMED}",
    "hydra.job.chdir": f"a run writes into its own folder, wherever it is started; {NAMED}",
    "hydra.sweep.subdir": NAMED,
}
# Groups of which every run needs an option; a task may bring its own model and optimiser.
NEEDED = ("data", "task", "trainer", "model", "optim")
UNQUOTED = re.compile(r"(?!(null|true|false|nan|inf)$)[A-Za-z_][\w./-]*", re.ASCII | re.IGNORECASE)


def words(overrides: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """Overrides as Hydra takes them: `{"optim.lr": 0.1}` is `optim.lr=0.1`.

    Raises:
        ConfigError: one of them would have no effect.
    """
    if isinstance(overrides, Mapping):
        overrides = [f"{key}={literal(value)}" for key, value in overrides.items()]
    return [word_for_hydra(word) for word in overrides]


def literal(value: Any) -> str:
    """A plain value in Hydra's override grammar."""
    if value is None:
        return "null"
    if hasattr(value, "tolist"):  # NumPy's and torch's numbers and arrays
        value = value.tolist()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    if UNQUOTED.fullmatch(str(value)):
        return str(value)
    # In Hydra's quotes a backslash is itself, but before a quote it is an escape and has to be doubled.
    return "'" + re.sub(r"(\\+)(?='|$)", r"\1\1", str(value)).replace("'", "\\'") + "'"


def word_for_hydra(word: str) -> str:
    """One word, checked; turning a group off is written as Hydra takes it.

    Hydra knows no `GROUP=null`, nor `~GROUP` where several options can be chosen: `GROUP=[]` chooses none.
    """
    key, equals, value = word.partition("=")
    if (name := key.lstrip("+~")) in OF_HYDRA:
        raise ConfigError(f"{name} has no effect: {OF_HYDRA[name]}")
    if name == "--experimental-rerun":
        raise ConfigError(f"{name} is not for runs of Encore: {RERUN}")
    if equals and not name:
        raise ConfigError(unreadable(word, ""))
    if key in [f"~{group}" for group in GROUPS_OF_PARTS] and not equals:
        return f"{name}=[]"
    of_none = value == "null" or ("null" in value and value.startswith("["))
    if not (of_none or NO_TEXT.fullmatch(value)):
        return word
    if key.startswith("hydra") or "." in key or key not in places.groups():  # which reads folders
        return word
    if not of_none:
        return f"{key}='{value}'"
    options = [option.strip() for option in value.strip("[] ").split(",")]
    if options == ["null"] and key in NEEDED:
        without = "; none is for a task that brings its own" if "none" in places.options(key) else ""
        raise ConfigError(f"{word}: a run needs one; choose from {', '.join(places.options(key))}{without}")
    return f"{key}=[{','.join(option for option in options if option != 'null')}]"


def unreadable(word: str, reason: str) -> str:
    """What to write instead of a word that is not in Hydra's grammar."""
    key, equals, value = word.partition("=")
    if not (key and equals):
        return f"{word} is not of the form SETTING=VALUE"
    why = "" if "NoViableAltException" in reason else f" ({reason})"
    return (
        f"{key}={value} cannot be read{why}; a text with other characters than ASCII letters, digits and ./_- stands "
        f"in quotes of its own: {in_shell(f'{key}={literal(value)}')}"
    )


def in_shell(word: str) -> str:
    """A word in quotes, as it is typed."""
    return shlex.quote(word) if set(word) & set('"$`\\!') else f'"{word}"'
