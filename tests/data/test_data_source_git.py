import pytest
from git_repository import commit, git, repository
from pydantic import ValidationError
from test_data_licence import MIT

from midspan.data.sources import fingerprint, list_projects
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import Broken, Unread
from midspan.errors import MidspanError
from midspan.recipe.load import load_recipe
from midspan.recipe.sources import GitSource


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def source(url, revision="HEAD"):
    return GitSource(kind="git", url=str(url), revision=revision)


def listed(url, revision="HEAD"):
    (project,) = list_projects([source(url, revision)])
    return project


def texts(project):
    contents = read_contents([(file.location, file.bytes) for file in project.files])
    return {file.path: content for file, content in zip(project.files, contents, strict=True)}


@pytest.fixture
def code(tmp_path):
    folder = repository(tmp_path / "code")
    commit(
        folder,
        {
            "LICENSE": MIT,
            "src/a.py": "x = 1\n",
            "src/empty.py": "",
            "ignored.py": "checked in all the same\n",
            ".gitignore": "ignored.py\n",
            ".ci/b.py": "hidden",
            "node_modules/m.js": "installed",
            "data.bin": b"\0\1",
        },
    )
    return folder


def test_the_files_of_a_revision_without_a_work_tree(code, tmp_path):
    first = git(code, "rev-parse", "HEAD")
    commit(code, {"src/a.py": "x = 2\n", "src/b.py": "y\n"})
    git(code, "tag", "v2")
    (code / "src/a.py").write_text("not committed")
    git(tmp_path, "clone", "--quiet", "--bare", str(code), "bare.git")
    for url in (code, tmp_path / "bare.git"):
        assert texts(listed(url, first)) == {
            "ignored.py": b"checked in all the same\n",
            "src/a.py": b"x = 1\n",
            "src/empty.py": b"",
        }
        project = listed(url, "v2")
        assert texts(project)["src/a.py"] == b"x = 2\n"
        assert project.revision == git(code, "rev-parse", "HEAD")
        assert project.skipped == {"unknown_language": 1}
        assert list(project.licence_files) == [""]


def test_worktrees_are_repositories_too(code, tmp_path):
    git(code, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert texts(listed(tmp_path / "tree")) == texts(listed(code))


def test_links_and_submodules_are_not_followed(code, tmp_path):
    other = repository(tmp_path / "other")
    commit(other, {"secret.py": "s"})
    git(code, "submodule", "add", "--quiet", str(other), "lib")
    (code / "src" / "link.py").symlink_to("../data.bin")
    commit(code, {})
    project = listed(code)
    assert project.skipped == {"link": 1, "submodule": 1, "unknown_language": 1}
    assert "lib/secret.py" not in texts(project)


def test_a_url_is_fetched_into_the_cache_and_followed(code, cache):
    url = f"file://{code}"
    project = listed(url, "main")
    assert project.name == "/".join(code.parts[-2:]) and project.url == url
    assert texts(project)["src/a.py"] == b"x = 1\n"
    (mirror,) = (cache / "git").iterdir()
    assert not (mirror / "src").exists()
    before = fingerprint([source(url, "main")])
    newest = commit(code, {"src/a.py": "x = 3\n"})
    assert fingerprint([source(url, "main")]) != before
    assert listed(url, "main").revision == newest
    # The first project was pinned to its commit: it can still be read.
    assert texts(project)["src/a.py"] == b"x = 1\n"


def test_a_commit_that_is_no_tip_can_be_named(code):
    first = git(code, "rev-parse", "HEAD")
    commit(code, {"src/a.py": "x = 2\n"})
    assert texts(listed(f"file://{code}", first))["src/a.py"] == b"x = 1\n"


def test_without_network_the_mirror_serves(code):
    url = f"file://{code}"
    before = texts(listed(url, "main"))
    code.rename(code.with_name("moved"))
    assert texts(listed(url, "main")) == before
    assert isinstance(listed(url, "other"), Broken)


def test_nothing_of_the_repository_runs(code, tmp_path):
    trap = tmp_path / "trap"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\n")
    program.chmod(0o755)
    commit(code, {".gitattributes": "*.py filter=f\n"})
    for key in ("core.fsmonitor", "core.sshCommand", "filter.f.smudge", "filter.f.clean", "core.pager"):
        git(code, "config", key, str(program))
    (code / ".git" / "hooks" / "post-checkout").write_text(program.read_text())
    trap.unlink(missing_ok=True)
    assert texts(listed(code))["src/a.py"] == b"x = 1\n"
    texts(listed(f"file://{code}", "main"))
    assert isinstance(listed(f"ext::{program}"), Broken)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("url", "revision", "reason"),
    [
        ("nowhere", "HEAD", "there is no folder"),
        (".", "HEAD", "is not a git repository"),
        ("code", "no-such", "has no revision no-such"),
        ("code", "HEAD:src/a.py", None),
        ("file:///nowhere/at/all", "HEAD", "cannot fetch HEAD"),
        ("ftp://localhost/x", "HEAD", "cannot fetch HEAD"),
    ],
)
def test_what_is_broken_says_so(code, tmp_path, monkeypatch, url, revision, reason):
    monkeypatch.chdir(tmp_path)
    if reason is None:
        with pytest.raises(ValidationError):
            source(url, revision)
        return
    broken = listed(url, revision)
    assert isinstance(broken, Broken) and reason in broken.reason and "\n" not in broken.reason


def test_blobs_that_are_gone_or_too_large(code):
    project = listed(code)
    (a,) = (file.location for file in project.files if file.path == "src/a.py")
    gone = a._replace(member="0" * 40)
    tree = a._replace(member=git(code, "rev-parse", "HEAD^{tree}"))
    assert list(read_contents([(gone, 9), (a, 6), (tree, 999), (a, 5), (a, 99)])) == [
        Unread("unreadable"),
        b"x = 1\n",
        Unread("unreadable"),
        Unread("too_large"),
        b"x = 1\n",
    ]


@pytest.mark.parametrize("url", ["https://ann:secret@h.org/a/b", "https://token@h.org/a/b", "ssh://a:secret@h.org/b"])
def test_a_recipe_holds_no_credentials(url, tmp_path):
    (tmp_path / "r.toml").write_text(f'extends = "nano"\n[[data.sources]]\nkind = "git"\nurl = "{url}"\n')
    with pytest.raises(MidspanError, match=r"r.toml:4: data.sources.0.url: holds credentials") as error:
        load_recipe(str(tmp_path / "r.toml"))
    assert "secret" not in str(error.value) and "token@" not in str(error.value)
    assert source("https://h.org/a/b").url and source("git@h.org:a/b").url and source("ssh://git@h.org/a/b").url
