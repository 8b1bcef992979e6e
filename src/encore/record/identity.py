"""Whether a record is of the run that it says: its fingerprint, made again from what the manifest holds."""

import json
from collections.abc import Iterator
from typing import Any

from encore.files import json_of
from encore.provenance import fingerprint
from encore.provenance.trust import read as read_config
from encore.provenance.variables import counted
from encore.record.result import Result
from encore.record.seal import Altered


def check_identity(run: Result, held: dict[str, Any]) -> None:
    """Check that a result and a manifest are of one run, and of the config, seed and code that they name.

    Where a config names files, its fingerprint is of what they hold, and can be made again only where they lie.

    Args:
        run: what result.json says.
        held: what manifest.json says.

    Raises:
        Altered: they are not.
    """
    if "seal" not in held:  # of an earlier version, whose fingerprints were made in other ways
        return
    try:
        check_fingerprint(run, held)
    except (KeyError, TypeError, AttributeError) as problem:
        raise Altered(f"{run.folder}: manifest.json is not of a run: {problem!r}") from problem


def check_fingerprint(run: Result, held: dict[str, Any]) -> None:
    config, code = held["config"], held["code"]
    told = {"fingerprint": (run.fingerprint, held["fingerprint"]), "seed": (run.seed, config["seed"])}
    for what, (one, other) in told.items():
        if one != other:
            raise Altered(f"{run.folder}: result.json and manifest.json tell of different runs: {what} {one}, {other}")
    found = next((one for one in ways(config, run) if fingerprint.hash_of(one) == held["config_sha256"]), None)
    if found is None and held["data"]["files"]:
        return
    variables = counted(config, held["environment"]["variables"])
    if found is None or fingerprint.mark(found, code["digests"], code["packages"], variables) != run.fingerprint:
        raise Altered(f"{run.folder}: its fingerprint is not of the config and the code in manifest.json")


def ways(config: dict, run: Result) -> Iterator[dict]:
    """What a fingerprint may be of, the quickest first; JSON lacks what YAML has, such as infinity."""
    yield fingerprint.computing(config)
    yield fingerprint.essential(config)
    written = fingerprint.computing(read_config(run.folder / "config.yaml"))
    if json.loads(json_of(written)) == fingerprint.computing(config):
        yield written
        yield fingerprint.essential(written)
