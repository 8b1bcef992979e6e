"""What takes long to make of a file is made once for each content and code."""

import types

import numpy as np
import pytest

from encore.data.cache import cached


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made(content)` gives what is cached for a file of that content, and counts how often it was made."""
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "cache"))
    code = types.ModuleType("code")
    code.__file__ = str(tmp_path / "code.py")
    (tmp_path / "code.py").write_text("x = 1\n")

    def go(content, name="source.bin"):
        (tmp_path / name).write_bytes(content)

        def make():
            go.count += 1
            return {"bytes": np.frombuffer(content, np.uint8), "text": np.array("é")}

        found = cached("tokens", tmp_path / name, [code], make)
        assert found["bytes"].tobytes() == content
        assert str(found["text"]) == "é"
        assert set(found) == {"bytes", "text"}
        return go.count

    go.count = 0
    return go


def test_it_is_made_once_for_a_content_wherever_that_lies(made):
    assert [made(b"a"), made(b"a"), made(b"a", "elsewhere.bin"), made(b"b"), made(b"a")] == [1, 1, 1, 2, 2]


def test_other_code_makes_it_anew_and_another_comment_does_not(made, tmp_path):
    assert made(b"a") == 1
    (tmp_path / "code.py").write_text("x = 1  # one\n")
    assert made(b"a") == 1
    (tmp_path / "code.py").write_text("x = 22\n")
    assert [made(b"a"), made(b"a")] == [2, 2]
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_damaged_is_made_anew(made, tmp_path, content):
    made(b"a" * 1000)
    (kept,) = (tmp_path / "cache").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-40] if content is None else content)
    assert [made(b"a" * 1000), made(b"a" * 1000)] == [2, 2]


def test_where_nothing_can_be_kept_it_is_made_every_time(made, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENCORE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert [made(b"a"), made(b"a")] == [1, 2]
