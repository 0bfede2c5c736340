"""The finished run behind the commands a developer uses."""

import json
import re
import subprocess
import sys

import httpx
import pytest
from nano_run import midspan

pytestmark = pytest.mark.slow

CODE = (
    "import math\n\n\ndef area(radius):\n    return math.\n\n\ndef volume(radius):\n    return 4 / 3 * area(radius)\n"
)
PLACE = "shapes.py:5:17"


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "shapes.py").write_text(CODE)
    (tmp_path / "circle.py").write_text("from shapes import area\n\nprint(area(radius=2))\n")
    return tmp_path


def test_complete_prints_a_suggestion_and_explains_its_prompt(nano, project):
    answer = json.loads(midspan("complete", PLACE, "--model", str(nano.run), "--explain", "--json", cwd=project).stdout)
    parts = answer["explain"]["parts"]
    assert sum(part["tokens"] for part in parts) == answer["usage"]["prompt_tokens"]
    assert [part["path"] for part in parts if part["kind"] == "context"] == ["circle.py"]
    assert all(part["reason"] for part in parts if part["kind"] == "context")
    assert answer["logprob"] < 0
    text = midspan("complete", PLACE, "--model", str(nano.run), "--explain", cwd=project).stdout
    assert "from shapes import area" in text
    assert f"{answer['usage']['prompt_tokens']} prompt tokens" in text


def test_server_and_command_answer_the_same(nano, project):
    """What comes again is remembered, and what is typed on finds its prompt in the cache."""
    printed = json.loads(midspan("complete", PLACE, "--model", str(nano.run), "--json", cwd=project).stdout)
    prefix, suffix = CODE.split("math.\n")
    body = {"path": "shapes.py", "prefix": prefix + "math.", "suffix": "\n" + suffix, "caret": "auto"}
    body["files"] = [{"path": "circle.py", "text": (project / "circle.py").read_text()}]
    server = subprocess.Popen(
        [sys.executable, "-m", "midspan.cli.main", "serve", "--model", str(nano.run), "--port", "0"],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+", server.stderr.readline())[0]
        typed = body | {"prefix": body["prefix"] + "other_"}
        first, again, on = (
            httpx.post(f"{url}/v1/midspan/completions", json=one, timeout=30).json() for one in (body, body, typed)
        )
        assert first["suggestion"] == again["suggestion"] == printed["suggestion"]
        assert first["usage"]["prompt_tokens"] == printed["usage"]["prompt_tokens"]
        assert on["usage"]["cached_tokens"] > 0.9 * on["usage"]["prompt_tokens"]
        assert on["timings"]["total_ms"] > 0
        assert on["stop_reason"] in ("end", "stop", "length")
    finally:
        server.terminate()
        assert server.wait(20) == 0
