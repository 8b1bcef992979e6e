"""A run's seal is signed with an SSH key, and whose signature holds is told."""

import shutil
import subprocess

import pytest

import encore
from encore.errors import ConfigError, InputError
from encore.record import seal
from encore.record.signature import sign, signer

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (openssh-client)")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = {"trainer.max_epochs": 1, "threads": 1, "trainer.accelerator": "cpu"}
    return encore.run({**settings, "runs_dir": str(tmp_path_factory.mktemp("signed"))}).folder


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def key(tmp_path):
    return made(tmp_path / "key")


def made(key):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    return key


def allowed(tmp_path, name, key):
    file = tmp_path / "signers"
    file.write_text(f"{name} {key.with_suffix('.pub').read_text()}")
    return file


def test_a_signature_holds_and_names_the_key_and_its_owner(folder, key, tmp_path):
    assert signer(folder) is None
    assert sign(folder, key) == folder / seal.SIGNATURE
    assert signer(folder).startswith("SHA256:")
    assert signer(folder, allowed(tmp_path, "ada@example.org", key)).startswith("ada@example.org, SHA256:")
    seal.check_all(folder)  # the signature is no part of what it signs
    sign(folder, key)  # again


def test_a_signature_of_another_seal_or_by_another_key_does_not_hold(folder, key, tmp_path):
    sign(folder, key)
    with pytest.raises(InputError, match=r"which .*signers does not allow"):
        signer(folder, allowed(tmp_path, "eve@example.org", made(tmp_path / "other")))
    (folder / "train.log").write_text("forged")
    seal.write(folder)
    with pytest.raises(InputError, match=r"is no signature of record.sha256"):
        signer(folder)


def test_an_altered_run_is_not_signed(folder, key):
    (folder / "train.log").write_text("forged")
    with pytest.raises(InputError, match=r"train.log was changed"):
        sign(folder, key)
    (folder / seal.FILE).unlink()
    with pytest.raises(InputError, match=r"has no record.sha256"):
        sign(folder, key)


def test_what_is_missing_is_said(folder, key, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="there is no key"):
        sign(folder, tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="openssh-client"):
        sign(folder, key)
