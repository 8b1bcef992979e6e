import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from encore.config import places
from encore.errors import InputError
from encore.provenance import git as git_module
from encore.provenance import source_code as module
from encore.provenance.rebuild import rebuild
from encore.provenance.source_code import source

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

PEOPLE = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgSign=false")


def git(folder, *words):
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *PEOPLE, *words], cwd=folder, env=env, check=True, capture_output=True).stdout


def put(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


COMMITTED = {
    "src/encore/same.py": b"same = 1\n",
    "src/encore/changed.py": b"".join(b"a%d = 1\n" % i for i in range(40)),
    "src/encore/crlf.py": b"one = 1\r\ntwo = 2\r\n",
    "src/encore/open.py": b"no = 'newline'",
    "src/encore/latin.py": "# coding: latin-1\n# ä\n".encode("latin-1"),
    "src/encore/null.py": b"x = '\0'\n",
    "src/encore/gone.py": b"gone = 1\n",
    "src/encore/before.py": b"renamed = 1\nrenamed = 2\nrenamed = 3\n",
    "src/encore/staged.py": b"staged = 1\n",
    "configs/größe.yaml": "größe: 1\n".encode(),
    "configs/data/a b.yaml": b"a: 1\n",
    "README.md": b"read me\n",
    "Makefile": b"all:\n\ttrue\n",
    ".gitignore": b"/private/\nignored.py\n",
}


def commit(folder):
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")


def change(project):
    """Everything that can happen to a file between a commit and a run."""
    old = COMMITTED
    put(
        project,
        {
            "src/encore/changed.py": old["src/encore/changed.py"].replace(b"a7 = 1\n", b"a7 = 2  \n\n\n"),
            "src/encore/crlf.py": b"one = 1\r\ntwo = 3\r\nthree = 3\n",
            "src/encore/open.py": b"still = 'no newline'",
            "src/encore/latin.py": "# coding: latin-1\n# äö\n".encode("latin-1"),
            "src/encore/null.py": b"x = '\0\0'\n",
            "src/encore/staged.py": b"staged = 2\n",
            "src/encore/added.py": b"added = 1\n",
            "src/encore/empty.py": b"",
            'src/encore/odd "\t\\name.py': b"odd = 1\n",
            "configs/größe.yaml": "größe: 2\nÄ: ü\r\n".encode(),
            "configs/data/a b.yaml": b"a: 2\n",
            "configs/neu/ünter.yaml": "neu: ü\n".encode(),
            "src/encore/untracked_latin.py": b"# coding: latin-1\r\n# \xe4",
            "Makefile": b"all:\n\tfalse\n",
            "README.md": b"changed, and nothing that a run reads\n",
        },
    )
    git(project, "add", "src/encore/staged.py", "src/encore/added.py", "src/encore/empty.py")
    put(project, {"src/encore/staged.py": b"staged = 3\n"})
    (project / "src/encore/gone.py").unlink()
    git(project, "mv", "src/encore/before.py", "src/encore/after.py")
    (project / "Makefile").chmod(0o755)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    put(folder, COMMITTED)
    commit(folder)
    return folder


def head(project):
    return git(project, "rev-parse", "HEAD").decode().strip()


def files(project):
    return sorted((project / "src").rglob("*.py"))


def held(folder, *kinds):
    """The contents below a folder, by path."""
    kinds = kinds or ("*.py", "*.yaml", "Makefile")
    found = {path for kind in kinds for path in folder.rglob(kind) if ".git" not in path.parts and path.is_file()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def there_and_back(project, folder):
    code = json.loads(json.dumps(source(files(project), root=project)))
    return code, rebuild(code, folder, root=project)


def test_a_clean_commit_comes_back(project, tmp_path):
    code, src = there_and_back(project, tmp_path / "again")
    assert (code["dirty"], code["diff"], code["untracked"], code["outside"]) == (False, "", {}, {})
    assert code["commit"] == head(project)
    assert src == tmp_path / "again" / "src"
    assert held(src.parent, "*") == held(project, "*")


def test_changes_come_back_to_the_byte(project, tmp_path):
    change(project)
    before = held(project / ".git", "*"), git(project, "status", "--porcelain")
    code, src = there_and_back(project, tmp_path / "again")
    assert code["dirty"]
    assert held(src.parent) == held(project)
    assert os.access(src.parent / "Makefile", os.X_OK)
    assert "README.md" not in code["diff"]
    assert (held(project / ".git", "*"), git(project, "status", "--porcelain")) == before


SETTINGS = """
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = false
    renames = copies
    context = 0
    relative = true
    orderFile = nowhere
    suppressBlankEmpty = true
[diff "odd"]
    textconv = false
    command = false
[color]
    ui = always
[core]
    quotePath = true
    autocrlf = true
    fsmonitor = false-hook
    attributesFile = {attributes}
[apply]
    whitespace = fix
    ignoreWhitespace = change
[status]
    showUntrackedFiles = no
"""


def test_the_users_settings_of_git_do_not_matter(project, tmp_path, monkeypatch):
    put(tmp_path, {"attributes": b"*.py diff=odd eol=crlf\n*.yaml -diff\n"})
    put(tmp_path, {"settings": SETTINGS.format(attributes=tmp_path / "attributes").encode()})
    change(project)
    code = source(files(project), root=project)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "settings"))
    for name, value in (
        ("GIT_DIR", "/nowhere"), ("GIT_WORK_TREE", "/"), ("GIT_INDEX_FILE", "/nowhere"), ("GIT_EXTERNAL_DIFF", "false"),
        ("GIT_LITERAL_PATHSPECS", "1"), ("GIT_DIFF_OPTS", "-u0"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    again, src = there_and_back(project, tmp_path / "again")
    assert again == code
    assert held(src.parent) == held(project)


@pytest.mark.parametrize(
    "attributes",
    [
        b"*.py text eol=crlf\n",
        b"* text=auto\n",
        b"*.py binary\n",
        b"*.py -diff\n*.yaml export-ignore\n",
        b"*.py ident export-subst\n",
    ],
)
def test_attributes_do_not_matter(tmp_path, attributes):
    project = tmp_path / "project"
    put(project, {**COMMITTED, ".gitattributes": attributes, "src/encore/id.py": b"# $Id$ $Format:%H$\n"})
    commit(project)
    change(project)
    for checkout in (False, True):
        if checkout:
            git(project, "stash", "-q")
        _, src = there_and_back(project, tmp_path / f"again{checkout}")
        assert held(src) == held(project / "src")


def test_a_project_in_a_larger_repository(tmp_path):
    project = tmp_path / "all" / "mine"
    put(project, COMMITTED)
    put(tmp_path / "all", {"other/theirs.py": b"theirs = 1\n"})
    commit(tmp_path / "all")
    change(project)
    put(tmp_path / "all", {"other/theirs.py": b"theirs = 2\n", "other/new.py": b"new = 1\n"})
    code, src = there_and_back(project, tmp_path / "again")
    assert code["folder"] == "mine"
    assert "theirs" not in json.dumps(code)
    assert held(src.parent) == held(project)


def test_a_folder_in_a_repository_is_as_good(project, tmp_path):
    change(project)
    _, src = there_and_back(project, project / "private" / "again")
    assert held(src) == held(project / "src")


def test_a_repository_of_sha256(tmp_path):
    project = tmp_path / "project"
    put(project, {path: content for path, content in COMMITTED.items() if "null" not in path})
    try:
        git(tmp_path, "init", "-q", "--object-format=sha256", "project")
    except subprocess.CalledProcessError:
        pytest.skip("this git has no SHA-256")
    commit(project)
    put(project, {"src/encore/same.py": b"same = 2\n"})
    code, src = there_and_back(project, tmp_path / "again")
    assert len(code["commit"]) == 64
    assert held(src.parent) == held(project)


def test_files_that_git_does_not_give_are_kept_whole(project, tmp_path, monkeypatch):
    put(project, {"src/encore/ignored.py": b"ignored = 1\n", "private/secret.yaml": b"key: 1\n"})
    put(project, {"venv/lib/site-packages/torch.py": b"installed = 1\n"})
    git(project, "update-index", "--assume-unchanged", "src/encore/same.py")
    put(project, {"src/encore/same.py": b"hidden = 1\n"})
    put(tmp_path, {"elsewhere/mine/net.py": b"net = 1\n", "alone.py": b"alone = 1\n"})
    (project / "src/encore/linked").symlink_to(tmp_path / "elsewhere")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    named = [*files(project), project / "src/encore/linked/mine/net.py", tmp_path / "elsewhere/mine/net.py"]
    code = source([*named, tmp_path / "alone.py"], root=project)
    assert code["untracked"].keys() == {
        "src/encore/ignored.py", "src/encore/same.py", "src/encore/linked/mine/net.py"
    }  # fmt: skip
    assert code["outside"].keys() == {"mine/net.py", "alone.py"}
    src = rebuild(code, tmp_path / "again", root=project)
    assert (src / "encore/same.py").read_bytes() == b"hidden = 1\n"
    assert (src / "encore/linked/mine/net.py").read_bytes() == (src / "mine/net.py").read_bytes() == b"net = 1\n"


def test_untracked_files_are_kept_up_to_a_limit(project, monkeypatch):
    monkeypatch.setattr(module, "MOST", 10)
    put(
        project,
        {"deep/down/b.yaml": b"b: 12345\n", "a.yaml": b"a: 1\n", "src/encore/new.py": b"x = 'needed by the run'\n"},
    )
    code = source(files(project), root=project)
    assert code["untracked"].keys() == {"src/encore/new.py", "a.yaml"}
    assert code["left_out"] == 1


def test_links_come_back_if_they_stay(project, tmp_path):
    (project / "configs/link.yaml").symlink_to("größe.yaml")
    (project / "configs/away.yaml").symlink_to("/etc/passwd")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "links")
    (project / "configs/staged.yaml").symlink_to("größe.yaml")
    git(project, "add", "-A")
    _, src = there_and_back(project, tmp_path / "again")
    configs = src.parent / "configs"
    assert configs.joinpath("link.yaml").readlink() == configs.joinpath("staged.yaml").readlink() == Path("größe.yaml")
    assert not configs.joinpath("away.yaml").is_symlink()


def unmerged(project):
    git(project, "checkout", "-qb", "other")
    put(project, {"src/encore/same.py": b"same = 2\n"})
    git(project, "commit", "-qam", "other")
    git(project, "checkout", "-q", "-")
    put(project, {"src/encore/same.py": b"same = 3\n"})
    git(project, "commit", "-qam", "mine")
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "merge", "other")


def test_a_merge_in_progress(project, tmp_path):
    unmerged(project)
    _, src = there_and_back(project, tmp_path / "again")
    assert held(src) == held(project / "src")


def no_repository(project, monkeypatch):
    shutil.rmtree(project / ".git")


def no_git(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))


def no_commit(project, monkeypatch):
    shutil.rmtree(project / ".git")
    git(project, "init", "-q")


def anothers(project, monkeypatch):
    monkeypatch.setattr(git_module, "KEPT", (*git_module.KEPT, "GIT_TEST_"))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")


def one_around(project, monkeypatch):
    no_repository(project, monkeypatch)
    put(project.parent, {".gitignore": b"/project/\n"})
    commit(project.parent)


@pytest.mark.parametrize("lose", [no_repository, no_git, no_commit, anothers, one_around])
def test_without_git_the_files_are_kept(project, tmp_path, monkeypatch, lose):
    change(project)
    lose(project, monkeypatch)
    code, src = there_and_back(project, tmp_path / "again")
    assert code.keys() == {"commit", "files", "outside"}
    assert code["commit"] is None
    assert held(src) == held(project / "src")


DIFF = "diff --git a/{0} b/{0}\nnew file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+evil\n"
LINK = (
    "diff --git a/src/out b/src/out\nnew file mode 120000\n--- /dev/null\n+++ b/src/out\n@@ -0,0 +1 @@\n+../..\n"
    "\\ No newline at end of file\n"
)


@pytest.mark.parametrize(
    "path",
    ["../evil.py", "/tmp/evil.py", "src/../../evil.py", ".git/config", "src/.GIT/hooks/a", "", ".", "a\0b", "\ud800"],
)
@pytest.mark.parametrize("name", ["files", "untracked", "outside"])
def test_a_path_cannot_lead_out(project, tmp_path, name, path):
    commit = None if name == "files" else head(project)
    before = held(tmp_path, "*")
    with pytest.raises(InputError, match="damaged"):
        rebuild({"commit": commit, name: {path: "evil\n"}}, tmp_path / "again", root=project)
    assert held(tmp_path, "*") == before
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "diff",
    [
        DIFF.format("../evil.py"),
        DIFF.format("src/../../evil.py"),
        DIFF.format("/tmp/evil.py"),
        DIFF.format(".git/config"),
        DIFF.format("x").replace("b/x", '"b/..\\057evil.py"'),
        "--- /dev/null\n+++ b/../evil.py\n@@ -0,0 +1 @@\n+evil\n",
        "diff --git a/../outside.py b/src/in.py\ncopy from ../outside.py\ncopy to src/in.py\n",
        "diff --git a/src/a.py b/../evil.py\nrename from src/encore/same.py\nrename to ../evil.py\n",
        LINK + DIFF.format("src/out/evil.py"),
        DIFF.format("src/encore/same.py"),
        DIFF.format("src/encore/new.py").replace("---", "index 0000000..1111111\n---"),
        "nonsense",
        "\ud800",
        5,
    ],
)
def test_a_diff_cannot_lead_out(project, tmp_path, diff):
    put(tmp_path, {"outside.py": b"private\n"})
    before = held(tmp_path, "*")
    with pytest.raises(InputError, match=r"recorded changes|damaged"):
        rebuild({"commit": head(project), "diff": diff}, tmp_path / "again", root=project)
    assert held(tmp_path, "*") == before


@pytest.mark.parametrize(
    "code",
    [
        {"diff": LINK, "untracked": {"src/out/evil.py": ""}},
        {"commit": None, "files": {"a": "", "a/b": ""}},
        {"commit": None, "files": ["a"]},
        {"commit": None, "files": {"a": 1}},
    ],
)
def test_a_damaged_record(project, tmp_path, code):
    with pytest.raises(InputError, match="damaged"):
        rebuild({"commit": head(project), **code}, tmp_path / "again", root=project)
    assert not list(tmp_path.glob("evil*"))


@pytest.mark.parametrize(
    "commit", ["HEAD", "--output=evil", "", 5, "-" * 40, "A" * 40, "0" * 39, "0" * 41, "0" * 40 + "\n", "0" * 40 + ":"]
)
def test_a_commit_is_a_full_name(project, tmp_path, commit):
    with pytest.raises(InputError, match="is not a commit"):
        rebuild({"commit": commit}, tmp_path / "again", root=project)


@pytest.mark.parametrize("lose", [None, no_repository, no_git])
def test_a_commit_that_is_not_here(project, tmp_path, monkeypatch, lose):
    if lose:
        lose(project, monkeypatch)
    with pytest.raises(InputError, match=r"0000000000 cannot be read .* git fetch"):
        rebuild({"commit": "0" * 40}, tmp_path / "again", root=project)


def test_code_is_not_written_over_other_files(project, tmp_path):
    with pytest.raises(InputError, match="is not empty"):
        rebuild(source(files(project), root=project), tmp_path, root=project)
    assert project.is_dir()


def test_this_project_comes_back(tmp_path):
    core = sorted(Path(module.__file__).parents[1].rglob("*.py"))
    src = rebuild(source(core), tmp_path)
    assert all((src / file.relative_to(places.root() / "src")).read_bytes() == file.read_bytes() for file in core)


def test_the_engine_in_a_project_s_own_environment_comes_back_beside_its_code(project, tmp_path, monkeypatch):
    site = project / ".venv" / "lib" / "python3.11" / "site-packages"
    put(site, {"encore/net.py": b"engine = 1\n"})
    put(project, {".gitignore": b"/private/\nignored.py\n/.venv/\n"})
    commit(project)
    monkeypatch.setattr(sys, "path", [str(site), str(project)])
    code = source([site / "encore" / "net.py", project / "src" / "encore" / "same.py"], root=project)
    assert (code["dirty"], code["outside"]) == (False, {"encore/net.py": "engine = 1\n"})
    src = rebuild(code, tmp_path / "again", root=project)
    assert (src / "encore" / "net.py").read_bytes() == b"engine = 1\n"
