from pathlib import Path

import pytest
from index_samples import FILES, write


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MIDSPAN_CACHE", str(cache))
    monkeypatch.setenv("HOME", str(cache))
    return cache


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", FILES)
