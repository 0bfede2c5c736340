from pathlib import Path

import pytest
import tiny_model


@pytest.fixture(scope="session")
def taught_hf() -> Path:
    return tiny_model.taught_hf()


@pytest.fixture(scope="session")
def taught_gguf() -> Path:
    return tiny_model.taught_gguf()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return tiny_model.smollm2()
