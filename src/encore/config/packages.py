"""Packages that only some settings need."""

from importlib.util import find_spec

from encore.errors import ConfigError

# Names on the package index, by import name.
INSTALLED_AS = {"comet_ml": "comet-ml"}


def needs(package: str | None, what: str) -> None:
    """Raise ConfigError if a setting needs a package that is not installed."""
    if package is not None and find_spec(package) is None:
        raise ConfigError(
            f"{what} needs a package that is not installed: uv pip install {INSTALLED_AS.get(package, package)}"
        )
