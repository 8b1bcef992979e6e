"""What docstrings say of arguments, read without importing the code."""

from functools import lru_cache

import griffe

from website.links import ROOT

PACKAGES = ("encore", "course")


@lru_cache
def arguments(target: str) -> dict[str, str]:
    """What a class, with those that it is derived from, or a function says of its arguments, by name."""
    if not target.startswith(tuple(f"{package}." for package in PACKAGES)):
        return {}
    found = loaded()[target]
    classes = [*reversed(found.mro()), found] if isinstance(found, griffe.Class) else [found]
    sections = [part for each in classes if each.docstring for part in each.docstring.parsed]
    said = [part for part in sections if isinstance(part, griffe.DocstringSectionParameters)]
    return {each.name: " ".join(each.description.split()) for part in said for each in part.value}


@lru_cache
def loaded() -> griffe.ModulesCollection:
    loader = griffe.GriffeLoader(search_paths=[ROOT / "src"], docstring_parser="google")
    for package in PACKAGES:
        loader.load(package)
    return loader.modules_collection
