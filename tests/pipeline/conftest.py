"""One real run at nano size, built once per session."""

import json

import pytest
from nano_run import NanoRun, midspan, write_recipe


@pytest.fixture(scope="session")
def nano(tmp_path_factory) -> NanoRun:
    folder = tmp_path_factory.mktemp("nano")
    write_recipe(folder)
    built = midspan("build", "recipe.toml", "--json", cwd=folder)
    return NanoRun(folder, json.loads(built.stdout))
