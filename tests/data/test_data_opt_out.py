import hashlib
import json
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
from test_data_licence import MIT
from test_data_stage import build, code, write

from midspan.data.opt_out import OptOut, read_opt_out
from midspan.errors import MidspanError


def listed(tmp_path, *lines):
    path = tmp_path / "opt-out.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_opt_out(str(path))


@pytest.mark.parametrize(
    ("entry", "name", "address", "refused"),
    [
        ("jane/tools", "jane/tools", "", True),
        ("jane/tools", "Jane/Tools", "", True),
        ("jane/tools", "tools", "https://github.com/Jane/tools.git", True),
        ("jane/tools", "tools", "git@github.com:jane/tools.git", True),
        ("jane/tools", "tools#2", "folder:/home/jane/tools", True),
        ("jane/tools", "tools", "https://github.com/jane/tools2", False),
        ("tools", "tools#2", "folder:/somewhere", True),
        ("tools", "toolset", "", False),
        ("jane/*", "jane/anything", "", True),
        ("jane/*", "anything", "https://gitlab.com/jane/anything", True),
        ("jane/*", "janet/anything", "", False),
        ("https://github.com/jane", "x", "git:ssh://git@github.com/jane/x", True),
        ("https://github.com/jane", "x", "https://github.com/janet/x", False),
        ("@scope/*", "@scope/name", "", True),
    ],
)
def test_projects(tmp_path, entry, name, address, refused):
    assert listed(tmp_path, entry).refuses_project(name, address) is refused


def test_paths_contents_and_comments(tmp_path):
    content = b"print('mine')\n"
    blob = subprocess.run(["git", "hash-object", "--stdin"], input=content, capture_output=True, check=True)
    lines = ["# all mine", "", "path:tools/*/secret_*.py  # these", "path:*.pem", blob.stdout.decode().strip().upper()]
    refused = listed(tmp_path, *lines)
    assert refused.refuses_path("tools", "a/b/secret_1.py")
    assert refused.refuses_path("other", "deep/in/key.pem")
    assert not refused.refuses_path("other", "a/b/secret_1.py")
    assert refused.refuses_content(content) and not refused.refuses_content(content + b"#")
    assert listed(tmp_path, "sha256:" + hashlib.sha256(content).hexdigest()).refuses_content(content)
    assert not OptOut().refuses_content(content)
    assert not OptOut().refuses_path("tools", "a.py") and not OptOut().refuses_project("tools", "https://x/y")


def test_bad_lists_are_explained(tmp_path):
    with pytest.raises(MidspanError, match=r"opt-out.txt:2: an entry has no spaces"):
        listed(tmp_path, "a/b", "two words")
    with pytest.raises(MidspanError, match="cannot read"):
        read_opt_out(str(tmp_path / "missing"))


SECRET = "planted_by_jane_" + "7f3a"


def bytes_below(folder):
    """What the files of a folder hold, with Parquet uncompressed."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield json.dumps(pq.read_table(path).to_pylist(), default=str)
        elif path.is_file():
            yield path.read_bytes().decode(errors="replace")


@pytest.mark.parametrize("by", ["project", "path", "content", "content in the corpus"])
def test_after_a_rebuild_no_byte_remains(tmp_path, by):
    mine = code("mine") + f"{SECRET} = 'jane@company.org'\n"
    files = {
        f"{project}/{name}": text
        for project in ("a", "b", "c", "jane")
        for name, text in (("LICENSE", MIT), ("code.py", code(project)))
    }
    write(tmp_path / "sources", files | {"jane/mine.py": mine, "a/_vendor/mine.py": mine + "# copied\n"})
    work, kept = tmp_path / "run" / "data", tmp_path / "opt-out.txt"
    work.parent.mkdir()
    build(tmp_path / "sources", work)
    assert sum(SECRET in text for text in bytes_below(tmp_path / "run")) > 1
    redacted = {row["path"]: row["sha256"] for row in pq.read_table(work / "corpus.parquet").to_pylist()}
    copied = hashlib.sha256((mine + "# copied\n").encode()).hexdigest()
    entries = {
        "project": ["jane", "path:a/_vendor/*"],
        "path": ["path:*mine.py"],
        "content": [hashlib.sha256(mine.encode()).hexdigest(), copied],
        "content in the corpus": [redacted.get("mine.py") or redacted["_vendor/mine.py"], copied, "path:jane/mine.py"],
    }
    kept.write_text("\n".join(entries[by]))
    shutil.rmtree(work)  # as the build does before it runs a stage anew
    build(tmp_path / "sources", work, opt_out=str(kept))
    assert not any(SECRET in text for text in bytes_below(tmp_path / "run"))
    report = json.loads((work / "report.json").read_text())
    assert report["dropped"]["opt_out"]["files"] == (3 if by == "project" else 2)
    assert report["kept"]["files"] == (3 if by == "project" else 4)
