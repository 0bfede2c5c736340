import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

sys.path.append(str(Path(__file__).parent.parent / "engine"))

import tiny_model
from server_process import running


@pytest.fixture(scope="session")
def taught_gguf() -> Path:
    return tiny_model.taught_gguf()


@pytest.fixture(scope="session")
def server(taught_gguf, tmp_path_factory) -> Iterator[tuple[httpx.Client, psutil.Process, Path]]:
    """A client of a server process with the taught model, the process and its log."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with running(taught_gguf, log) as (client, process):
        yield client, process, log
