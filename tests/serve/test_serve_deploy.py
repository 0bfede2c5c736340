"""What is in deploy/ fits the program."""

import shutil
import subprocess
from pathlib import Path

import pytest

from midspan.cli.main import run
from midspan.serve.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_settings_can_be_read_and_what_they_say_is_the_default(tmp_path):
    text = (DEPLOY / "serve.toml").read_text()
    config = load_config(DEPLOY / "serve.toml", {})
    assert (config.workers, config.host) == (2, "0.0.0.0")
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    (tmp_path / "defaults.toml").write_text("\n".join(lines))
    assert load_config(tmp_path / "defaults.toml", {}) == config


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_takes_the_unit(tmp_path):
    unit = (DEPLOY / "midspan.service").read_text()
    program = shutil.which("true")
    unit = unit.replace("/opt/midspan/bin/midspan", str(program)).replace("User=midspan\n", "")
    (tmp_path / "midspan.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "midspan.service"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_unit_and_the_container_start_is_a_command(capsys):
    for file, options in (("midspan.service", ["--config"]), ("Containerfile", ["--host", "--port"])):
        text = (DEPLOY / file).read_text()
        assert all(option in text for option in options)
    assert run(["serve", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--config", "--host", "--port"))
