"""Signatures of a run's seal, by the user's own SSH key, made and checked by OpenSSH's ssh-keygen."""

import os
import shutil
import subprocess
from pathlib import Path

from encore.errors import ConfigError, InputError
from encore.files import read_whole
from encore.record import seal

NAMESPACE = "encore"  # a signature that was made for something else does not count
KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")  # in ~/.ssh, the first that is there
TOOL = "ssh-keygen"
LARGEST = 2**16  # bytes of a signature; one has about a thousand
SECONDS = 600  # for a passphrase to be typed


def sign(folder: Path, key: Path | None = None) -> Path:
    """Sign a run's seal; returns the signature's file.

    Args:
        folder: the run's.
        key: the private key, or the public one of an agent; the user's own where None.

    Raises:
        ConfigError: the tool or the key is missing.
        InputError: the run is not sealed, or was altered.
    """
    if seal.read(folder) is None:
        raise InputError(f"{folder} has no {seal.FILE}: a run has one once it is over, and recorded by this version")
    seal.check_all(folder)
    if key is None:
        own = [Path("~/.ssh").expanduser() / name for name in KEYS]
        key = next((file for file in own if file.is_file()), None)
    if key is None or not key.is_file():
        raise ConfigError(f"there is no key {key or '~/.ssh/' + KEYS[0]}: --key names one, {TOOL} -t ed25519 makes one")
    signature = folder / seal.SIGNATURE
    signature.unlink(missing_ok=True)
    done = call("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(folder / seal.FILE))
    if done.returncode or not signature.is_file():
        raise ConfigError(f"{TOOL} could not sign with {key}: {last_line(done)}")
    return signature


def signer(folder: Path, allowed: Path | None = None) -> str | None:
    """Whose signature of a run's seal holds: the key, and by a list of allowed signers the name; None without one.

    Raises:
        ConfigError: the tool is missing, or the list.
        InputError: the signature does not hold, or the list does not have its key.
    """
    signature = folder / seal.SIGNATURE
    if not os.path.lexists(signature):
        return None
    read_whole(signature, LARGEST)  # a file, not a link to one
    content = (folder / seal.FILE).read_bytes()
    given = ("-n", NAMESPACE, "-s", str(signature))
    done = call("-Y", "check-novalidate", *given, content=content)
    if done.returncode:
        raise InputError(f"{signature} is no signature of {seal.FILE}: {last_line(done)}")
    key = done.stdout.decode(errors="replace").strip().rpartition(" ")[2]
    if allowed is None:
        return f"{key} (--signers FILE says whose that is)"
    if not allowed.is_file():
        raise ConfigError(f"there is no list of signers {allowed}; its lines are as in ssh-keygen's allowed_signers")
    found = call("-Y", "find-principals", "-f", str(allowed), "-s", str(signature))
    names = found.stdout.decode(errors="replace").splitlines()
    for name in names:
        if not call("-Y", "verify", "-f", str(allowed), "-I", name, *given, content=content).returncode:
            return f"{name}, {key}"
    raise InputError(f"{signature} is by {key}, which {allowed} does not allow")


def call(*words: str, content: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Call the tool.

    Raises:
        ConfigError: it is not installed.
    """
    if (tool := shutil.which(TOOL)) is None:
        raise ConfigError(f"signatures take {TOOL}, which is not installed: it comes with OpenSSH (openssh-client)")
    return subprocess.run([tool, *words], input=content, capture_output=True, check=False, timeout=SECONDS)


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """What the tool said last."""
    said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}"
