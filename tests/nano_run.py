"""Building and using a real run through the command line, as a user would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = ("anyio", "fastapi", "h11", "httpx", "idna", "pluggy", "pygls", "rich", "starlette", "typer", "uvicorn")
SETTINGS = {
    "data.valid_share": 0.1,
    "data.test_share": 0.2,
    "tokenizer.vocab_size": 1_024,
    "tokenizer.sample_bytes": 1_000_000,
    "model.hidden_size": 96,
    "model.layers": 2,
    "model.heads": 3,
    "model.kv_heads": 3,
    "model.mlp_size": 256,
    "pretrain.tokens": 80_000,
    "pretrain.batch_tokens": 4_096,
    "pretrain.checkpoint_steps": 5,
    "pretrain.valid_bytes": 20_000,
    "sft.tokens": 30_000,
    "sft.valid_bytes": 20_000,
    "prefer.cases": 24,
    "prefer.temperatures": [0.6, 1.0],
    "prefer.max_new_tokens": 32,
    "prefer.min_margin": 0.02,
    "dpo.tokens": 6_000,
    "dpo.valid_bytes": 20_000,
    "eval.cases": 16,
    "eval.max_new_tokens": 24,
    "export.gguf": ["f32", "q8_0"],
}


def midspan(*arguments: str, cwd: Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-m", "midspan.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
    )
    assert not check or answer.returncode == 0, answer.stderr
    return answer


@dataclass(frozen=True)
class NanoRun:
    """A finished run: `folder` holds `recipe.toml` and `runs/nano`."""

    folder: Path
    built: dict[str, Any]
    """What `midspan build --json` printed."""

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "nano"

    def stage(self, name: str) -> Path:
        return self.run / name


def write_recipe(folder: Path, name: str = "nano") -> None:
    sections: dict[str, dict[str, Any]] = {}
    for key, value in SETTINGS.items():
        section, field = key.split(".")
        sections.setdefault(section, {})[field] = value
    source = f'{{kind = "environment", packages = {json.dumps(PACKAGES)}}}'
    lines = [f'name = "{name}"', 'extends = "nano"']
    for section, fields in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{field} = {json.dumps(value)}" for field, value in fields.items()]
        if section == "data":
            lines.append(f"sources = [{source}]")
    (folder / "recipe.toml").write_text("\n".join(lines) + "\n")
