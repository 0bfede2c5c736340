"""`midspan data signals`: what it shows of a file, and how it refuses."""

import json

from midspan.cli.main import run

CODE = "# SPDX-License-Identifier: MIT\n" + "".join(f"def name_{n}(first):\n    return first\n" for n in range(20))


def test_signals_thresholds_and_verdicts(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_text(CODE + "#" + " word" * 240 + "\n")
    recipe = tmp_path / "own.toml"
    recipe.write_text('extends = "nano"\n[data.filters]\nmax_line_length = 2_000\n')
    assert run(["data", "signals", str(path), "--recipe", str(recipe)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "python; licence: MIT (SPDX header)" in shown
    assert "starcoder2: dropped: long_line (max_line_length 1,201 > 1,000)" in shown
    assert "recipe: kept" in shown
    assert run(["data", "signals", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["signals"]["max_line_length"] == 1_201
    assert report["thresholds"]["opencoder"]["max_line_length"] == 1_000
    assert report["broken"]["starcoder2"] == [
        {"reason": "long_line", "detail": "max_line_length 1,201 > 1,000"},
    ]


def test_what_cannot_be_measured_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "a.py").write_bytes(b"x = '\xff\xfe\x00'\n")
    (tmp_path / "a.unknown").write_text("x")
    for name in ("a.py", "a.unknown", "missing.py"):
        assert run(["data", "signals", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
