"""Settings of the whole suite."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two test processes share the cores: with a thread each they do not wait for one another. Tests import torch later.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Time limits of single examples say more about the machine's load than about the code.
settings.register_profile("midspan", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("midspan")


@pytest.fixture(autouse=True, scope="session")
def midspan_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes of test projects stay out of the user's cache."""
    cache = tmp_path_factory.mktemp("midspan_cache")
    os.environ["MIDSPAN_CACHE"] = str(cache)
    return cache
