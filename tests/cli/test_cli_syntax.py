"""`midspan syntax`: what it shows of a file, of drawn splits and of many files, and how it refuses."""

import json
import re

import pytest

from midspan.cli.main import run

SOURCE = "def total(items):\n\tvalue = sum(items)  # all\r\n\treturn value"


def shown(capsys, *arguments):
    assert run(["syntax", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert run(["syntax", *map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def write(folder, content, name="a.py"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_start_points_stand_below_the_character_a_middle_starts_with(tmp_path, capsys):
    lines = shown(capsys, write(tmp_path, SOURCE)).splitlines()
    assert lines[1] == "python; 59 characters; 3 lines with text; 1 block; 2 argument lists"
    assert lines[4:] == [
        "    1   def total(items):↵",
        "        ^..||....||....||#",
        "    2 ╭     value = sum(items)  # all",
        "      ╭     #....||||..||....|| |||..",
        "    3 ╰     return value",
        "      ╰     ^.....||....",
    ]


def test_end_points_stand_below_the_character_a_middle_ends_with(tmp_path, capsys):
    lines = shown(capsys, write(tmp_path, SOURCE), "--kind", "end").splitlines()
    assert lines[4:6] == ["    1   def total(items):", "        ..| ....||....||^"]
    assert lines[-1].endswith("#")


def test_drawn_splits_join_to_the_file(tmp_path, capsys):
    path = write(tmp_path, SOURCE)
    splits = json.loads(shown(capsys, path, "--draw", "12", "--json"))["draws"]
    assert len(splits) == 12
    assert all(split["prefix"] + split["middle"] + split["suffix"] == SOURCE for split in splits)
    text = shown(capsys, path, "--draw", "12")
    assert text.count("⟦") == text.count("⟧") == 12
    assert f"draw 1 of 12: {splits[0]['start_kind'].replace('_', ' ')} → " in text
    assert shown(capsys, path, "--draw", "12", "--seed", "1") != text


def test_json_holds_points_and_pieces_as_offsets(tmp_path, capsys):
    answer = json.loads(shown(capsys, write(tmp_path, SOURCE), "--json"))
    assert answer["points"]["line_start"] == [SOURCE.index(word) for word in ("def", "value", "return")]
    words = {SOURCE[piece["start"] : piece["end"]]: piece["unit"] for piece in answer["pieces"]}
    assert words["value"] == "token"
    assert words[SOURCE[SOURCE.index("value") :]] == "block"


def test_colour_marks_the_same_text_without_rows_of_marks(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(capsys, write(tmp_path, SOURCE))
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "    value = sum(items)  # all" in plain
    assert "^..||" not in plain


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "\ufeffx = 1\r\n",
        "a\tb\n",
        "漢字 = '👩‍👩‍👧 e\u0301'\n",
        "x\x1b[31m[red] = 1",
        "\u202e\u2028\x0c\x85 = 1",
        "x" * 20_000,
        "f(a); " * 5_000,
        "one\rtwo\r\nthree",
    ],
    ids=["empty", "breaks", "bom", "tab", "wide", "escape", "unseen", "one word", "giant line", "cr"],
)
@pytest.mark.parametrize("name", ["a.py", "a.unknown"])
@pytest.mark.parametrize("columns", [10, 60])
def test_odd_files_are_shown_within_the_width(tmp_path, capsys, monkeypatch, content, name, columns):
    path = write(tmp_path, content, name)
    shown(capsys, path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    for options in ((), ("--kind", "end"), ("--draw", "2")):
        text = shown(capsys, path, *options)
        assert len(text.splitlines()) < 200
        assert "\x1b[31m" not in text
        assert "\u202e" not in text


def test_a_file_without_grammar_says_so(tmp_path, capsys):
    assert "no grammar for it: read by indentation" in shown(capsys, write(tmp_path, "one\n  two\n", "notes.xyz"))


def test_the_report_counts_and_compares(tmp_path, capsys):
    write(tmp_path, SOURCE)
    write(tmp_path, "", "empty.py")
    write(tmp_path, b"\0\1", "binary.py")
    write(tmp_path, "prose\n", "notes.txt")
    (tmp_path / "more").mkdir()
    other = write(tmp_path / "more", "function f(a) { return a + 1; }\n", "b.js")
    text = shown(capsys, tmp_path, "--report", "--draws", "3")
    assert text.startswith("3 files, 3 draws of each, 6 middles\nnot read: 1 no text, 1 unknown language\n")
    assert "1 without any cut (33.3%)" in text
    for line in ("start block boundary", "end   token middle", "longest", "javascript"):
        assert line in text
    answer = json.loads(shown(capsys, tmp_path, other, "--report", "--draws", "3", "--json"))
    assert answer["all"]["files"] == 4
    assert {each["name"] for each in answer["languages"]} == {"python", "javascript"}
    assert answer["skipped"] == {"no text": 1, "unknown language": 1}


def test_the_recipe_gives_the_weights(tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    zeros = "line_start = 0\nline_middle = 0\ntoken_middle = 0\n"
    recipe.write_text(f'name = "a"\nextends = "nano"\n[fim.start]\n{zeros}[fim.end]\n{zeros}')
    path = write(tmp_path, SOURCE)
    splits = json.loads(shown(capsys, path, "--draw", "9", "--recipe", recipe, "--json"))["draws"]
    assert {(split["start_kind"], split["end_kind"]) for split in splits} == {("block_boundary", "block_boundary")}


def test_what_cannot_be_shown_is_refused_in_one_line(tmp_path, capsys):
    assert "no file" in refused(capsys, tmp_path / "missing.py")
    assert "is a folder; add --report" in refused(capsys, tmp_path)
    assert "is a binary file" in refused(capsys, write(tmp_path, b"\x7fELF\0"))
    assert "is not UTF-8 (byte 1)" in refused(capsys, write(tmp_path, b"a\xff"))
    assert "one file at a time" in refused(capsys, tmp_path / "a", tmp_path / "b")
    (tmp_path / "empty").mkdir()
    assert "no file in a known language" in refused(capsys, tmp_path / "empty", "--report")
    assert "nowhere.toml" in refused(capsys, write(tmp_path, "x"), "--recipe", "nowhere.toml")
