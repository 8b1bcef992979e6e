"""Packages that only some settings need."""

from importlib.util import find_spec

from encore.errors import ConfigError

# Names on the package index, by import name.
AIM = "'setuptools<81'"  # Aim imports pkg_resources, which later ones no longer have
INSTALLED_AS = {"comet_ml": "comet-ml", "aim": f"aim {AIM}", "pkg_resources": AIM}


def installs(package: str) -> str:
    """The command that installs a package, by its import name."""
    return f"uv pip install {INSTALLED_AS.get(package, package)}"


def needs(package: str | None, what: str) -> None:
    """Raise ConfigError if a setting needs a package that is not installed."""
    if package is not None and find_spec(package) is None:
        raise ConfigError(f"{what} needs a package that is not installed: {installs(package)}")
