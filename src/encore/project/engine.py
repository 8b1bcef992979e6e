"""The requirement by which a new project installs the engine."""

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from encore.config import places
from encore.errors import ConfigError

# With the extras for parallel sweeps and searches.
ENGINE = "encore[joblib,search]"


def requirement(given: str | None) -> str:
    """The engine as a requirement.

    Args:
        given: a folder, a wheel, a URL, or a version; None: the engine that is running now.

    Raises:
        ConfigError: it is none of these.
    """
    wanted = given if given is not None else running()
    text = f"{ENGINE} @ {wanted}" if is_url(wanted) else at_path(wanted) or at_version(wanted)
    try:
        return str(Requirement(text))
    except InvalidRequirement as problem:
        raise ConfigError(f"--engine {wanted}: {problem}") from problem


def is_url(text: str) -> bool:
    """Whether this is a URL, such as git+https://… or file:///….

    Raises:
        ConfigError: it names a file that does not exist.
    """
    address = urlsplit(text)
    if address.scheme.endswith("file") and not Path(unquote(address.path.partition("@")[0])).exists():
        raise ConfigError(f"the engine should be at {text} but is not there: say where to get it with --engine")
    return "://" in text


def at_path(text: str) -> str | None:
    """The engine in a local folder or archive; None if there is no such file.

    Raises:
        ConfigError: it is not an engine.
    """
    path = Path(text).expanduser()
    if not path.exists():
        if "/" in text or path.suffix in (".whl", ".gz"):
            raise ConfigError(f"--engine {text}: there is no such folder or file")
        return None
    if path.is_dir() and not (path / "src" / "encore" / "config" / "places.py").is_file():
        raise ConfigError(f"--engine {text}: this folder is not a clone of Encore")
    if path.is_file() and not path.name.endswith((".whl", ".tar.gz")):
        raise ConfigError(f"--engine {text}: a file must be a wheel or an sdist, as built by `uv build`")
    return f"{ENGINE} @ {path.resolve().as_uri()}"


def at_version(text: str) -> str:
    """The engine at a version or version range, from the package index.

    Raises:
        ConfigError: it is neither.
    """
    try:
        return f"{ENGINE}=={Version(text)}"
    except InvalidVersion:
        pass
    try:
        return f"{ENGINE}{SpecifierSet(text)}"
    except InvalidSpecifier as problem:
        raise ConfigError(
            f"--engine {text}: a clone's folder, a wheel, a URL such as git+https://…, or a version such as 0.1.0"
        ) from problem


def running() -> str:
    """Where the running engine came from: its clone, or its installation source."""
    if (clone := places.clone()) is not None:
        return clone.as_uri()
    installed = metadata.distribution("encore")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if "vcs_info" in origin:
        return f"{origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}"
    return origin.get("url") or installed.version
