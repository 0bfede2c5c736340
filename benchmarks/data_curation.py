"""Data curation, end to end: how fast, in how much memory, and is it the same corpus on a cluster?

Input: the packages of a Python environment (by default this one; with the extras train and cluster about 430 MB in
36,000 files). `midspan data` runs in a process of its own, from an empty folder. Measured are MB of listed text per
second of wall clock, the same per second of processor time and core (which other work on the machine changes less),
and the peak of the memory of all its processes.

The peer is datatrove with what it has of the same: Gopher's repetition filter, its PII formatter and its four MinHash
stages with our settings. It gets its texts ready in one Parquet file, on a sample chosen by hash, as it is slow;
Midspan curates the same sample from a folder of files, licences and all. datatrove lives in an environment of its own.

    python benchmarks/data_curation.py [--site PATH] [--part speed|memory|ray|peer] [--sample 1500]
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from data_duplicates import collect
from rich.console import Console
from rich.table import Table

from midspan.context.store import default_cache

RECIPE = """
extends = "nano"
name = "bench"
[data]
languages = []
max_project_bytes = 1000000000
sources = [{source}]
{filters}
"""
PARSING_OFF = "[data.filters]\nparse = false\n"
COLUMNS = ("", "files", "MB", "wall s", "MB/s", "cpu s", "MB/s of cpu x cores", "peak MB")
PARTS = ("speed", "memory", "ray", "peer")
PEER = ("datatrove==0.10.1", "xxhash<4", "nltk", "orjson", "pyarrow", "spacy", "tldextract", "tokenizers")


@dataclass(frozen=True)
class Measured:
    """Seconds of wall clock and processor, peak bytes of all processes together."""

    wall: float
    cpu: float
    memory: int


def main() -> None:
    """Run the parts asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=Path(sysconfig.get_paths()["purelib"]))
    parser.add_argument("--part", choices=PARTS, help="only one of the questions")
    parser.add_argument("--sample", type=int, default=1_500, help="files for the comparison with the peer")
    options = parser.parse_args()
    console = Console()
    console.print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.part in (None, "speed", "memory"):
            console.print(speed(options.site, folder, halves=options.part != "speed"))
        if options.part in (None, "ray"):
            console.print(ray(options.site, folder))
        if options.part in (None, "peer"):
            console.print(peer(options.site, options.sample, folder))


def speed(site: Path, folder: Path, halves: bool) -> Table:
    """The whole input with parsing and without; half of the packages, for the memory."""
    everything = f'{{ kind = "environment", path = "{site}" }}'
    cases = {"all": (everything, ""), "all, parsing off": (everything, PARSING_OFF)}
    if halves:
        cases["half of the packages"] = (half_of(site), "")
    table = Table(*COLUMNS, title="midspan data")
    for title, (source, filters) in cases.items():
        measured, report = curate(source, filters, folder / title.replace(" ", "_"))
        add(table, title, measured, report["listed"]["files"], report["listed"]["bytes"])
    return table


def half_of(site: Path) -> str:
    """A source: half of the packages, by the hash of the name."""
    packages = sorted({path.name.split("-")[0] for path in site.glob("*.dist-info")})
    half = json.dumps([name for name in packages if hashlib.sha256(name.encode()).digest()[0] % 2])
    return f'{{ kind = "environment", path = "{site}", packages = {half} }}'


def ray(site: Path, folder: Path) -> Table:
    """The same corpus from one machine and from two nodes, of half of the packages."""
    from ray.cluster_utils import Cluster

    source = half_of(site)
    table = Table(*COLUMNS, title="one corpus, half of the packages")
    digests = {}
    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=500_000_000, include_dashboard=False)
    for title, environment in {"native": {}, "Ray, two nodes": {"MIDSPAN_RAY_ADDRESS": cluster.address}}.items():
        runs = folder / title.replace(" ", "_")
        measured, report = curate(source, "", runs, environment)
        add(table, title, measured, report["listed"]["files"], report["listed"]["bytes"])
        digests[title] = hashlib.sha256((runs / "bench/data/corpus.parquet").read_bytes()).hexdigest()
    cluster.shutdown()
    table.caption = f"same bytes: {len(set(digests.values())) == 1} ({', '.join(d[:12] for d in digests.values())})"
    return table


def peer(site: Path, files: int, folder: Path) -> Table:
    """datatrove and Midspan on the same sample."""
    sample = sorted(collect([site]), key=lambda path: hashlib.sha256(str(path).encode()).digest())[:files]
    root = folder / "sample"
    rows = []
    for path in sample:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        relative = path.relative_to(site)
        copy = (
            root / relative.parts[0] / Path(*relative.parts[1:])
            if len(relative.parts) > 1
            else root / "single" / relative
        )
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
        rows.append({"id": str(relative), "text": text})
    for project in root.iterdir():
        shutil.copy(Path(__file__).parent.parent / "LICENSE", project / "LICENSE")
    texts = folder / "texts"
    texts.mkdir()
    for place in range(2):
        pq.write_table(pa.Table.from_pylist(rows[place::2]), texts / f"{place}.parquet")
    size = sum(len(row["text"].encode()) for row in rows)
    python = peer_environment()
    script = Path(__file__).with_name("data_curation_peer.py")
    theirs = measure([str(python), str(script), str(texts), str(folder / "datatrove")], {})
    ours, _ = curate(f'{{ kind = "folder", path = "{root}", split = true }}', "", folder / "ours")
    table = Table(
        "", "files", "MB", "wall s", "MB/s", "cpu s", "MB/s of cpu x cores", "peak MB", title="the same sample"
    )
    add(table, "Midspan", ours, len(rows), size)
    add(table, "datatrove", theirs, len(rows), size)
    table.caption = f"ratio {theirs.wall / ours.wall:.1f} by wall clock, {theirs.cpu / ours.cpu:.1f} by processor time"
    return table


def curate(
    source: str, filters: str, runs: Path, environment: Mapping[str, str] | None = None
) -> tuple[Measured, dict]:  # type: ignore[type-arg]
    """One run of the stage from nothing; what it took, and its report."""
    runs.mkdir(parents=True)
    recipe = runs / "bench.toml"
    recipe.write_text(RECIPE.format(source=source, filters=filters))
    command = [sys.executable, "-m", "midspan.cli.main", "data", str(recipe), "--runs", str(runs)]
    measured = measure(command, environment or {})
    return measured, json.loads((runs / "bench/data/report.json").read_text(encoding="utf-8"))


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run a command, watching the memory of it and of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = [0]
    used: dict[int, float] = {}
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, used))
    watcher.start()
    _, errors = process.communicate()
    wall = time.perf_counter() - started
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()[-2_000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    waited_for = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall, max(waited_for, sum(used.values())), peak[0])


def _watch(pid: int, peak: list[int], used: dict[int, float]) -> None:
    """Keep the peak of the sum of proportional set sizes, in which a page that several share counts once.

    And the processor seconds of each process: those that nobody waits for, as datatrove's, the system forgets.
    """
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for each in [process, *process.children(recursive=True)]:
                try:
                    total += each.memory_full_info().pss
                    times = each.cpu_times()
                    used[each.pid] = times.user + times.system
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total)
            time.sleep(0.5)
    except psutil.Error:
        return


def add(table: Table, title: str, measured: Measured, files: int, size: int) -> None:
    """One row."""
    megabytes = size / 1e6
    table.add_row(
        title,
        f"{files:,}",
        f"{megabytes:.0f}",
        f"{measured.wall:.1f}",
        f"{megabytes / measured.wall:.2f}",
        f"{measured.cpu:.1f}",
        f"{megabytes / measured.cpu * (os.cpu_count() or 1):.2f}",
        f"{measured.memory / 1e6:,.0f}",
    )


def peer_environment() -> Path:
    """The Python of datatrove's own environment, made on first use."""
    home = default_cache() / "benchmarks" / "datatrove"
    python = home / "bin" / "python"
    if not (home / "whole").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEER], check=True)
        (home / "whole").touch()
    return python


if __name__ == "__main__":
    main()
