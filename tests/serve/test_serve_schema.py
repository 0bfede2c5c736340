"""The API against its own description: schemathesis over /openapi.json of a real server, all checks on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.slow
def test_schemathesis_finds_nothing(server, tmp_path):
    client, _, log = server
    program = shutil.which("schemathesis", path=Path(sys.executable).parent)
    assert program is not None
    done = subprocess.run(
        [
            program,
            f"--config-file={CONFIG}",
            "run",
            str(client.base_url.join("/openapi.json")),
            "--checks=all",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=15",
            "--seed=1",
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Tested: 20" in done.stdout.replace("  ", " ")
    assert '"level":"error"' not in log.read_text()
