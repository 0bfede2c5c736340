"""Broken requests of two users, by the command that sends an hour of them."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from server_process import running
from tiny_model import LESSONS

from midspan.serve.auth import add_token

FUZZ = Path(__file__).parents[2] / "benchmarks" / "fuzz_server.py"


@pytest.mark.slow
def test_broken_requests_make_no_500_and_nobody_sees_anothers_text(taught_gguf):
    command = [sys.executable, str(FUZZ), "--requests", "500", "--model", str(taught_gguf), "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("500 requests")
    assert done.stdout.rstrip().endswith("no 500, nothing of one user in the other's answers, the metrics or the log")


def test_what_is_remembered_of_one_user_answers_no_other(taught_gguf, tmp_path):
    lesson, path = LESSONS["two_lines"], "/v1/midspan/completions"
    body = {"path": lesson.path, "prefix": lesson.prefix, "suffix": lesson.suffix}
    tokens = tmp_path / "tokens"
    with running(taught_gguf, tmp_path / "log", token_file=str(tokens_of(tokens)), slots=2) as (client, _):

        def ask(user: str) -> str:
            headers = {"Authorization": f"Bearer {(tmp_path / user).read_text()}"}
            answer: httpx.Response = client.post(path, json=body, headers=headers)
            assert answer.json()["suggestion"] == lesson.middle
            return answer.json()["source"]

        assert [ask("ann"), ask("ann"), ask("bob"), ask("bob")] == ["engine", "memory", "engine", "memory"]


def tokens_of(file: Path) -> Path:
    """A token file for ann and bob; their tokens are written beside it."""
    for user in ("ann", "bob"):
        (file.parent / user).write_text(add_token(file, user))
    return file
