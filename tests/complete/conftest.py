import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "engine"))

import tiny_model


@pytest.fixture(scope="session")
def taught_gguf() -> Path:
    return tiny_model.taught_gguf()
