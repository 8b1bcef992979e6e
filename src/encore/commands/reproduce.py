"""Repeat a finished run from its record alone, and compare the two bit for bit."""

import argparse
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from encore.analysis.second_run import recorded_code, run_again
from encore.config.launched import so_many
from encore.config.named_runs import a_run
from encore.errors import ConfigError, InputError, Interrupted, NotReproduced
from encore.provenance import fingerprint
from encore.provenance.files_read import check_unchanged
from encore.provenance.trust import check_config, read, recorded_config
from encore.provenance.undeclared import now
from encore.record import seal
from encore.record.identity import check_identity
from encore.record.reading import read_manifest
from encore.record.record import run_name
from encore.record.result import Result
from encore.record.signature import signer

if TYPE_CHECKING:
    from encore.analysis.verification import Comparison

LARGEST_TOLERANCE = 0.01  # what differs by more was not reproduced, whoever asks


@dataclass
class Findings:
    """What is known by the end.

    Attributes:
        again: folder of the second run.
        signature: whose signature of the record holds.
        comparison: of the two runs.
        begun: words about the run that it continues, on another number of ranks, and that was not run again.
    """

    again: Path | None = None
    signature: str | None = None
    comparison: "Comparison | None" = None
    begun: str = ""


def main() -> int:
    """Run the command; the last line it prints is the verdict."""
    wanted, found = arguments(), Findings()
    with tempfile.TemporaryDirectory() as scratch:
        words, code = answer(wanted, found, Path(scratch))
        if wanted.certificate:
            from encore.analysis import certificate

            try:
                certificate.write(
                    wanted.certificate, words, code, wanted.run, found.again, found.comparison, found.signature,
                    wanted.tolerance,
                )  # fmt: skip
            except OSError:
                say(words, code)  # which took a run to find
                raise
            say(f"certificate {wanted.certificate}", 0)
    return say(words, code)


def answer(wanted: argparse.Namespace, found: Findings, scratch: Path) -> tuple[str, int]:
    """The verdict, and its exit code, whatever happens on the way.

    Raises:
        ConfigError: the command line asks for what cannot be.
    """
    try:
        return verdict(wanted, found, scratch)
    except InputError as problem:
        return f"CANNOT CHECK: {problem}", InputError.code
    except NotReproduced as problem:
        return f"NOT REPRODUCED: {problem}", NotReproduced.code
    except KeyboardInterrupt:
        return "CANNOT CHECK: interrupted", Interrupted.code
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        return f"CANNOT CHECK: the record in {wanted.run} is damaged: {problem!r}", InputError.code


def say(words: str, code: int) -> int:
    """Print text that may be untrusted, without terminal control characters; returns the code."""
    print("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in words), flush=True)
    return code


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--data-dir", type=Path, help="folder of the data, if they have moved")
    parser.add_argument(
        "--tolerance",
        type=tolerance,
        help=f"largest acceptable relative difference, such as 1e-6; at most {LARGEST_TOLERANCE}",
    )
    parser.add_argument(
        "--run-recorded-code",
        action="store_true",
        help="if the code has changed since, run the recorded code: it may be untrusted",
    )
    parser.add_argument("--out", type=Path, help="keep the second run in this folder")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="keep the verdict, with all figures, as JSON")
    parser.add_argument("--signers", type=Path, metavar="FILE", help="allowed signers, as ssh-keygen knows them")
    return parser.parse_args()


def tolerance(text: str) -> float:
    """A relative difference that can be called small."""
    value = float(text)
    if not 0 < value <= LARGEST_TOLERANCE or math.isnan(value):
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {LARGEST_TOLERANCE}, not {text}")
    return value


def verdict(wanted: argparse.Namespace, found: Findings, scratch: Path) -> tuple[str, int]:
    """Check, run again, compare; returns what came out, and the exit code.

    Args:
        wanted: what the command line asks for.
        found: is told what was found on the way.
        scratch: an empty folder.

    Raises:
        InputError: it cannot be checked.
    """
    result = Result.read(wanted.run)
    seal.check_all(wanted.run)
    if old := seal.unsealed([wanted.run]):
        say(old, 0)
    found.signature = signer(wanted.run, wanted.signers)
    if found.signature or wanted.signers:
        say(f"signed by {found.signature or 'nobody'}", 0)
    held = read_manifest(wanted.run)
    if result.status != held["status"]:
        raise InputError(f"{wanted.run}: result.json says {result.status}, and manifest.json {held['status']}")
    if held["status"] != "finished":
        raise InputError(f"{wanted.run} {result.standing}, not finished")
    cfg = recorded_config(wanted.run)
    if wanted.out and wanted.out.exists() and any(wanted.out.iterdir()):
        raise ConfigError(f"--out={wanted.out} is not empty: name a new folder")
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    check_unchanged(held["data"]["files"], cfg, again=True)
    check_config(cfg, held, wanted.run)
    check_identity(result, held)
    undeclared = held["code"].get("undeclared", {})
    changed = changed_code(held["code"]["digests"], cfg)
    changed += [name for name, digest in undeclared.items() if now(name) != digest]
    if changed and not wanted.run_recorded_code:
        raise InputError(
            f"the code has changed since: {listed(changed)}\n"
            "--run-recorded-code runs the recorded code; it may be untrusted, so look at it first"
        )
    tell_environment(held["environment"], cfg)
    code = recorded_code(held, scratch) if changed else None
    out = wanted.out or scratch / "runs"
    say(f"running {run_name(cfg)}, seed {cfg['seed']}, again", 0)
    if (begun := held.get("continues")) is not None:
        whose = f"{begun['run']}, on {so_many(begun['ranks'])}"
        found.begun = f"; its first {begun['step']} steps are those of {whose}"
    recorded = read(wanted.run / "config.yaml") if code else {}  # with the names that its code knows
    found.again = run_again({**cfg, **recorded}, out, held["environment"]["variables"], code)
    return compare(wanted, found)


def changed_code(recorded: dict[str, str], cfg: dict) -> list[str]:
    """The modules that have changed since the run."""
    here = fingerprint.code_of(cfg).digests
    return sorted(name for name in recorded.keys() | here.keys() if recorded.get(name) != here.get(name))


def listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def tell_environment(recorded: dict, cfg: dict) -> None:
    """Report, before the run, how the environment differs; threads and switches are set as recorded."""
    from encore.provenance.environment import differences, environment
    from encore.provenance.variables import counted

    here = environment(with_gpus=bool(recorded["gpus"]))
    given = ("packages", "python", "os", "libc", "cpu", "libraries", "gpus", "driver", "cuda", "hip", "cudnn")
    then, now = ({name: place[name] for name in given} for place in (recorded, here))
    found = differences(then, now, on_cpu=cfg["trainer"]["accelerator"] == "cpu")
    if found:
        say("\n  ".join(["the environment differs from the recorded one:", *found]), 0)
    if read := counted(cfg, recorded["variables"]):
        say(f"set as recorded: {', '.join(f'{name}={value}' for name, value in read.items())}", 0)


def compare(wanted: argparse.Namespace, found: Findings) -> tuple[str, int]:
    """Compare the two runs; says where they ran differently, and returns the verdict."""
    from encore.analysis import verification

    assert found.again is not None
    compared = found.comparison = verification.compare(wanted.run, found.again)
    places = len(compared.environment)
    elsewhere = f"; {places} difference{'s' if places > 1 else ''} in the environment" if places else ""
    if places:
        what = "the environment differed:" if compared.same else "possible causes:"
        say("\n  ".join([what, *compared.environment]), 0)
    elsewhere += found.begun
    if compared.same:
        return f"REPRODUCED bit for bit: {compared.counts}{elsewhere}", 0
    if wanted.tolerance is not None and compared.relative <= wanted.tolerance:
        return f"REPRODUCED within {compared.within:.0e}: {compared.words}{elsewhere}", 0
    near = f" (--tolerance {compared.within:.0e} would accept it)" if compared.relative <= LARGEST_TOLERANCE else ""
    return f"NOT REPRODUCED: {compared.words}{elsewhere}{near}", NotReproduced.code
