"""Bad input: one clear line on stderr, exit code 2, nothing lost, never a traceback."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nano_run import midspan

LICENSE = Path(__file__).parents[2] / "LICENSE"
CODE = "\n".join(f"def function_{i}(value):\n    return value + {i}\n" for i in range(20))


def fails(*arguments: str, cwd: Path, lines: int = 1, **environment: str) -> str:
    """The message of a command that must fail as the user's error."""
    answer = midspan(*arguments, cwd=cwd, check=False, **environment)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    messages = [line for line in answer.stderr.splitlines() if line.startswith("midspan: ")]
    assert len(messages) == lines, answer.stderr
    return "\n".join(messages)


def projects(folder: Path, licensed: bool = True, count: int = 4) -> Path:
    """A folder of small projects of real syntax."""
    for number in range(count):
        project = folder / f"project{number}"
        project.mkdir(parents=True)
        for part in range(6):
            (project / f"part{part}.py").write_text(CODE.replace("function", f"f{number}_{part}"))
        if licensed:
            (project / "LICENSE").write_text(LICENSE.read_text())
    return folder


def sources(folder: Path) -> tuple[str, ...]:
    return ("--set", f'data.sources=[{{kind="folder", path={json.dumps(str(folder))}, split=true}}]')


def test_empty_source_folder(tmp_path):
    (tmp_path / "code").mkdir()
    assert str(tmp_path / "code") in fails("build", "nano", *sources(tmp_path / "code"), cwd=tmp_path)


def test_missing_source_folder(tmp_path):
    assert str(tmp_path / "code") in fails("build", "nano", *sources(tmp_path / "code"), cwd=tmp_path)


def test_no_permissive_file_at_all(tmp_path):
    message = fails("data", "nano", *sources(projects(tmp_path / "code", licensed=False)), cwd=tmp_path)
    assert "licence_unknown 24" in message


def test_unreadable_files_are_skipped_and_counted(tmp_path):
    code = projects(tmp_path / "code")
    (code / "project0" / "latin.py").write_bytes(b"# caf\xe9\n" + CODE.encode())
    (code / "project0" / "binary.py").write_bytes(bytes(range(256)) * 8)
    midspan("data", "nano", *sources(code), cwd=tmp_path)
    report = json.loads((tmp_path / "runs/nano/data/report.json").read_text())
    counted = {**report["dropped"], **report["skipped"]}
    assert sum(value["files"] for key, value in counted.items() if key in ("not_utf8", "binary")) == 2


def test_recipe_with_typos_gives_a_line_for_each(tmp_path):
    (tmp_path / "r.toml").write_text('extends = "nano"\n[pretrain]\ntoken = 5\n[sft]\nschedule = "linear"\n')
    message = fails("build", "r.toml", cwd=tmp_path, lines=2)
    assert 'r.toml:3: pretrain.token: unknown key; did you mean "tokens"?' in message
    assert "r.toml:5: sft.schedule: is 'linear'" in message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "--model", "nowhere"), "no model nowhere"),
        (("complete", "code.py:1:1", "--model", "nowhere"), "no model nowhere"),
        (("lsp", "--model", "nowhere"), "no model nowhere"),
        (("card", "nowhere"), "no run nowhere"),
        (("runs", "nowhere"), "no run nowhere"),
        (("build", "nowhere"), "nowhere"),
        (("serve",), "no exported run"),
    ],
)
def test_missing_model_or_run(tmp_path, arguments, says):
    (tmp_path / "code.py").write_text("x = 1\n")
    assert says in fails(*arguments, cwd=tmp_path)


@pytest.mark.parametrize("name", ["weights.bin", "weights.pt", "notes.txt"])
def test_only_safe_model_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    assert name in fails("serve", "--model", name, "--port", "0", cwd=tmp_path)


def test_a_torn_gguf(tmp_path):
    (tmp_path / "torn.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    assert "torn.gguf" in fails("serve", "--model", "torn.gguf", "--port", "0", cwd=tmp_path)


def test_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in fails("serve", "--model", "any", "--port", str(port), cwd=tmp_path)


def test_half_written_run(tmp_path):
    (tmp_path / "runs/nano/export").mkdir(parents=True)
    assert "half-written" in fails("serve", "--model", "nano", cwd=tmp_path)
    (tmp_path / "runs/nano/data").mkdir(parents=True)
    assert "half-written" in fails("build", "nano", *sources(projects(tmp_path / "code")), cwd=tmp_path)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("code.py", "FILE:LINE:COL"),
        ("code.py:9:1", "has 3 lines, not 9"),
        ("code.py:1:99", "columns 1 to 6"),
        ("none.py:1:1", "no file none.py"),
        ("latin.py:1:1", "not UTF-8"),
    ],
)
def test_carets_that_are_nowhere(tmp_path, place, says):
    (tmp_path / "code.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    assert says in fails("complete", place, "--model", "any", cwd=tmp_path)


def test_a_full_disk_loses_nothing(tmp_path):
    """A limit on file sizes makes the kernel refuse writes as a full disk does."""
    code = projects(tmp_path / "code", count=8)

    settings = [
        "--set",
        "tokenizer.vocab_size=300",
        "--set",
        "pretrain.tokens=1000",
        "--set",
        "pretrain.valid_bytes=1000",
    ]

    def build(limit: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "midspan.cli.main", "build", "nano", *sources(code), *settings],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )

    full = build(limit=60_000)
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert "free space" in full.stderr
    kept = {path.parent.name for path in (tmp_path / "runs/nano").glob("*/manifest.json")}
    assert kept
    again = build(limit=60_000)
    assert all(f"{stage}: reused" in again.stderr for stage in kept)


def test_control_c_keeps_the_state_and_says_how_to_go_on(tmp_path):
    code = projects(tmp_path / "code", count=8)
    command = [sys.executable, "-m", "midspan.cli.main", "build", "nano", *sources(code)]
    command += ["--set", "tokenizer.vocab_size=300", "--set", "pretrain.checkpoint_steps=1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=os.environ)
    work = tmp_path / "runs/nano/.pretrain.work"
    while process.poll() is None and not list(work.glob("resume/*/*.safetensors")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert "the same command goes on" in errors
    assert list(work.glob("resume/*/*.safetensors"))
