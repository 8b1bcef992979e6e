"""A machine that is not as one thinks: disks that fail, folders that vanish, closed streams, other locales."""

import ast
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from encore.callbacks.losses import Losses
from encore.command import end
from encore.errors import Busy, CannotWrite, ConfigError, InputError
from encore.files import NotWritten, write_text
from encore.record.lock import LOCK, held
from encore.record.result import Result

ROOT = Path(__file__).parents[1]
SMALL = {"data.fraction": 0.1, "trainer.max_epochs": 1}  # 2 steps
WORDS = [*(f"{key}={value}" for key, value in SMALL.items()), "trainer=cpu", "threads=1"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors, locks and locales of POSIX")


def failing(function: Callable[..., Any], call: int, number: int) -> Callable[..., Any]:
    """A function that fails at one call, and at every later one: a disk does not recover."""
    calls = [0]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] >= call:
            raise OSError(number, os.strerror(number))
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("number", "owner", "name", "call"),
    [
        *((errno.EIO, os, "fsync", call) for call in (1, 3, 5, 8, 13, 21)),
        *((errno.EIO, Path, "replace", call) for call in (1, 4, 9)),
        (errno.ENOSPC, os, "fsync", 6),
        (errno.EROFS, Path, "replace", 5),
    ],
    ids=str,
)
def test_a_disk_that_fails_at_any_writing_ends_a_run_with_74(run, monkeypatch, owner, name, call, number):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(getattr(owner, name), call, number))
        with pytest.raises(
            CannotWrite, match=r"runs/digits-mlp-adam/\S*seed0-\w+ cannot be written: .*" + "runs/|needs"
        ):
            run(SMALL)
    assert run(SMALL).status == "finished"


def test_a_log_that_cannot_be_written_ends_a_run_with_74(run, monkeypatch):
    from encore.terminal import Kept

    def full(self, record):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            self.handleError(record)

    monkeypatch.setattr(Kept, "emit", full)
    with pytest.raises(CannotWrite, match=r"train\.log"):
        run(SMALL)


def test_a_reader_s_own_error_is_no_matter_of_writing(run, monkeypatch):
    monkeypatch.setattr(Losses, "on_fit_start", lambda *_: Path("no/such/file").read_text(encoding="utf-8"))
    with pytest.raises(FileNotFoundError):
        run(SMALL)


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced", "lock deleted"])
def test_a_run_whose_folder_vanishes_ends_with_74(run, tmp_path, monkeypatch, how):
    plain = Losses.add

    def vanish(self, *args):
        folder = self.file.parent
        if how == "lock deleted":
            (folder / LOCK).unlink()
        elif how == "deleted":
            shutil.rmtree(folder)
        else:
            folder.rename(tmp_path / "elsewhere")
            if how == "replaced":
                (folder / "checkpoints").mkdir(parents=True)
                (folder / LOCK).touch()
        monkeypatch.setattr(Losses, "add", plain)
        plain(self, *args)

    monkeypatch.setattr(Losses, "add", vanish)
    with pytest.raises(CannotWrite, match=r"moved, deleted or replaced while it was in use.*\nwhere it is put back"):
        run(SMALL)
    assert not list((tmp_path / "runs").rglob("losses.f32"))
    if how in ("moved", "replaced"):
        assert Result.read(tmp_path / "elsewhere").status == "running"
    if how == "deleted":
        assert not list((tmp_path / "runs").rglob("*.ckpt"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x1b[2J", b"1" * 10_000_000, b""], ids=len)
def test_a_lock_file_of_anything_names_no_process(tmp_path, content):
    import fcntl

    with (tmp_path / LOCK).open("wb") as other:
        other.write(content)
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy, match=r"by process (unknown|1{20})$"), held(tmp_path):
            pass


LONG = "a" * 300


@pytest.mark.parametrize(
    "settings",
    [
        {"runs_dir": LONG},
        {"data": "mnist", "data_dir": LONG},
        {"code": [LONG]},
        {"data.bootstrap": 1, "data.weights.path": LONG},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_a_path_that_is_too_long_is_unusable_input_and_leaves_nothing(run, tmp_path, settings):
    with pytest.raises(InputError, match="File name too long"):
        run({**SMALL, **settings})
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


ENDINGS = [
    (NotWritten(errno.EIO, "Input/output error", "report.md"), 74),
    (NotWritten(errno.ENOENT, "No such file or directory", "report.md"), 74),
    (OSError(errno.ENOSPC, "No space left on device"), 74),
    (OSError(errno.EIO, "Input/output error"), 74),
    (OSError(errno.ENAMETOOLONG, "File name too long", LONG), 3),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "photos"), 3),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0),
]


@pytest.mark.parametrize(("problem", "code"), ENDINGS, ids=str)
def test_a_command_that_the_system_stops_ends_with_its_code(monkeypatch, capsys, problem, code):
    monkeypatch.setattr(sys, "argv", ["encore"])

    def main() -> None:
        raise problem

    with pytest.raises(SystemExit) as stop:
        end(main)
    assert stop.value.code == code
    assert capsys.readouterr().err == (f"error: {problem}\n" if code else "")


@pytest.mark.parametrize("script", ["report", "curves", "boost"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
def test_a_disk_that_fails_ends_a_command_with_74(run, tmp_path, monkeypatch, capsys, script, number):
    import importlib

    words = {
        "report": ["--out", "report", str(run(SMALL).folder)],
        "curves": ["--out", "curves/curves.png", str(run(SMALL).folder)],
        "boost": ["experiment=digits_weak", "--members", "1", "threads=1", "trainer=cpu", "trainer.max_epochs=1"],
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script, *words[script]])
    for module, name in ((os, "fsync"), (Path, "mkdir")):
        monkeypatch.setattr(module, name, failing(getattr(module, name), 1, number))
    with pytest.raises(SystemExit) as stop:
        end(importlib.import_module(f"encore.commands.{script}").main)
    assert stop.value.code == 74
    assert f"[Errno {number}]" in capsys.readouterr().err


# How a shell starts it, and its exit code.
STREAMS = {
    ">&-": (0, 1),
    "2>&-": (0, 1),
    "<&- >&- 2>&-": (0, 1),
    ">/dev/full": (74, 1),
    "2>/dev/full": (0, 1),
    "| true": (0, 0),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("streams", "codes"), STREAMS.items(), ids=STREAMS)
def test_closed_and_full_streams_end_no_command_in_a_traceback(tmp_path, streams, codes):
    for words, code in zip(("--help", "optim.lr=-1"), codes, strict=True):
        line = f"{sys.executable} {ROOT / 'train.py'} {words} {streams}"
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("streams", [">&- 2>&-", ">/dev/full"])
def test_a_run_goes_on_where_nobody_reads_it(tmp_path, streams):
    line = f"{sys.executable} {ROOT / 'train.py'} {' '.join(WORDS)} runs_dir={tmp_path}/runs {streams}"
    assert subprocess.run(line, shell=True, cwd=tmp_path, check=False).returncode == 0
    folder = next((tmp_path / "runs").rglob("result.json")).parent
    assert Result.read(folder).status == "finished"
    assert "1 × cpu" in (folder / "train.log").read_text(encoding="utf-8")


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # what open() and print() then use, is ASCII


@pytest.mark.slow
def test_a_terminal_of_ascii_shows_what_it_can_and_files_are_utf_8(command, tmp_path):
    done = command("train.py", *WORDS, **ASCII)
    assert done.returncode == 0, done.stderr
    assert "1 x cpu" in done.stdout
    folder = next((tmp_path / "runs").rglob("result.json")).parent
    assert "1 × cpu" in (folder / "train.log").read_text(encoding="utf-8")
    helped = command("train.py", "--help", **ASCII)
    assert helped.returncode == 0
    assert "28 x 28 pixels" in helped.stdout
    korean = command("scripts/runs.py", "runs", PYTHONIOENCODING="euc-kr", PYTHONUTF8="0")
    assert korean.returncode == 0, korean.stderr


def test_names_that_the_locale_cannot_read_are_refused(run):
    with pytest.raises(ConfigError, match="PYTHONUTF8=1"):
        run({**SMALL, "runs_dir": os.fsdecode(b"runs\xff")})


def test_a_text_goes_into_a_terminal_of_any_encoding(capsys):
    from encore.terminal import printable

    class Stream:
        encoding = "ascii"

    assert printable("2 × 64, 3 µs – 사진 …", Stream()) == "2 x 64, 3 us - ?? ..."
    Stream.encoding = "euc-kr"
    assert "사진" in printable("사진 – ✓", Stream())


def test_every_text_file_is_opened_with_an_encoding():
    bare = []
    for file in [*(ROOT / "src" / "encore").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and in_the_locale_s_encoding(node):
                bare.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert bare == []


def in_the_locale_s_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes text in whatever encoding this machine has."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg for keyword in call.keywords}
    if "encoding" in given:
        return False
    if name in ("run", "Popen"):
        return "text" in given
    if name == "read_text":
        return not call.args  # importlib.metadata's takes a name
    if name == "write_text":
        return isinstance(call.func, ast.Attribute)
    modes = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    of_a_path = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) not in ("os", "Image", "Record")
    return name == "open" and of_a_path and not any("b" in mode for mode in modes)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    write_text(file, "old")
    monkeypatch.setattr(os, "fsync", failing(os.fsync, 1, errno.EIO))
    with pytest.raises(NotWritten, match=r"Input/output error: '.*result\.json'"):
        write_text(file, "new")
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]
