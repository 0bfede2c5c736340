import os
import subprocess
import sys

import pytest
from test_data_licence import MIT
from test_data_robustness import SMALL_PARTS
from test_data_stage import code, write

ray_cluster = pytest.importorskip("ray.cluster_utils")

RECIPE = """
extends = "nano"
[data]
languages = []
sources = [{{ kind = "folder", path = "{sources}", split = true }}]
"""


@pytest.fixture
def cluster():
    """Two nodes of one processor each, on this machine."""
    nodes = ray_cluster.Cluster()
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
    yield nodes
    nodes.shutdown()


def midspan(*arguments, start=("-m", "midspan.cli.main"), **environment):
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_as_one_machine(tmp_path, cluster):
    for number in range(8):
        files = {f"p{number}/module{n}.py": code(f"{number % 5}.{n}", 12) for n in range(20)}
        write(tmp_path / "sources", {f"p{number}/LICENSE": MIT, **files, f"p{number}/own.py": code(number, 30)})
    recipe = tmp_path / "nano-here.toml"
    recipe.write_text(RECIPE.format(sources=tmp_path / "sources"))
    for runs, environment in {"one": {}, "two": {"MIDSPAN_RAY_ADDRESS": cluster.address}}.items():
        result = midspan("data", recipe, "--runs", tmp_path / runs, start=("-c", SMALL_PARTS), **environment)
        assert result.returncode == 0, result.stderr
    one, two = (sorted((tmp_path / runs).glob("*/data/*")) for runs in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    for left, right in zip(one, two, strict=True):
        assert left.name == "manifest.json" or left.read_bytes() == right.read_bytes(), left.name


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    result = midspan("data", "nano", "--runs", tmp_path, MIDSPAN_RAY_ADDRESS="127.0.0.1:9")
    assert result.returncode == 2
    assert "midspan: cannot reach the Ray cluster 127.0.0.1:9" in result.stderr
