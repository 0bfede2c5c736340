"""`midspan index`."""

import json
from pathlib import Path

import pytest

from midspan.cli.main import run


def test_index_says_what_is_there_and_can_be_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {"a.py": b"x = 1\n", "b.py": b"\n", "c.\x1b[31m": b"?", "d.png": b"\0", "go.mod": b""}.items():
        (tmp_path / name).write_bytes(content)
    assert run(["index", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["root"] == str(tmp_path.resolve())
    assert (facts["files"], facts["bytes"], facts["read"]) == (4, 8, 5)
    assert facts["languages"]["python"] == 2
    assert facts["skipped"] == {"binary": 1}
    assert Path(facts["database"]).stat().st_size <= facts["disk_bytes"]
    assert run(["index", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "4 files, 8 bytes" in text and "2 python" in text and "1 skipped: binary" in text and "\x1b" not in text
    assert run(["index", str(tmp_path), "--clear"]) == 0
    assert not Path(facts["database"]).exists()
    assert run(["index", str(tmp_path), "--clear"]) == 0
    assert "there is no index" in capsys.readouterr().out
    assert run(["index", str(tmp_path / "missing")]) == 2
