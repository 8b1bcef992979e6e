"""Digests of files are remembered until the files change; what remembers them may break, be shared, and be cleared."""

import os
import subprocess
import sys
import time

import pytest

from encore.commands import doctor
from encore.provenance import remembered
from encore.provenance.contents import digest_of


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / remembered.FILE


@pytest.fixture
def reads(monkeypatch):
    """The files that are read."""
    read = []
    plain = remembered.sha256
    monkeypatch.setattr(remembered, "sha256", lambda file: read.append(file.name) or plain(file))
    return read


def anew():
    """As in a process that begins now."""
    held = remembered.store(remembered.folder())
    if held is not None:
        held.close()
    remembered.store.cache_clear()


def old(file, content=b"x"):
    """A file that was written a while ago, as far as its times tell."""
    file.write_bytes(content)
    return file


@pytest.fixture
def later(monkeypatch):
    """The clock shows a minute more."""
    plain = time.time_ns
    monkeypatch.setattr(remembered.time, "time_ns", lambda: plain() + 60 * 10**9)


def test_what_has_just_changed_is_not_trusted(tmp_path, reads, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first = digest_of(file)
    times = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as within one tick of a coarse clock
    monkeypatch.setattr(remembered, "facts_of", lambda facts: f"{facts.st_size} {facts.st_mtime_ns}")
    assert digest_of(file) != first
    assert len(reads) == 2


def test_a_file_is_read_once(tmp_path, reads, later):
    file = old(tmp_path / "file")
    first = digest_of(file)
    anew()
    assert digest_of(file) == first
    assert reads == ["file"]
    file.write_bytes(b"other")
    assert digest_of(file) != first
    assert len(reads) == 2


@pytest.mark.parametrize("content", [b"no database " * 1000, None])
def test_a_damaged_store_is_begun_anew(tmp_path, place, reads, later, content):
    file = old(tmp_path / "file")
    first = digest_of(file)
    anew()
    if content is None:  # in the middle: found when something is looked up
        whole = bytearray(place.read_bytes())
        whole[4096:] = os.urandom(len(whole) - 4096)
        content = bytes(whole)
    place.write_bytes(content)
    assert [digest_of(file) for _ in range(2)] == [first, first]
    anew()
    assert digest_of(file) == first
    assert reads == ["file", "file"]


def test_doctor_clears_it(tmp_path, place, reads, later, monkeypatch, capsys):
    file = old(tmp_path / "file")
    digest_of(file)
    anew()
    monkeypatch.setattr(sys, "argv", ["encore doctor", "--clear-digests"])
    assert doctor.main() == 0
    assert not place.exists()
    assert "is cleared" in capsys.readouterr().out
    digest_of(file)
    assert reads == ["file", "file"]


def test_two_processes_at_once_remember_all(tmp_path, later):
    for number in range(300):
        old(tmp_path / f"{number}", str(number).encode())
    code = (
        "import sys, time; from pathlib import Path; from encore.provenance import remembered\n"
        "plain = time.time_ns; remembered.time.time_ns = lambda: plain() + 60 * 10**9\n"
        "remembered.TOGETHER = 3\n"
        f"for number in range(300): remembered.digest_of(Path({str(tmp_path)!r}) / str(number))"
    )
    begun = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait() for one in begun] == [0, 0]
    held = remembered.store(remembered.folder())
    assert held.base.execute("SELECT COUNT(*) FROM read").fetchone() == (300,)
    assert held.base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    anew()
