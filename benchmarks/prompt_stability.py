"""How much of the prompt stays while somebody types, with pins and without.

The differences between two releases of packages are typed again, 20 changes each (`tests/prompt/recorded_session.py`
plays the developer and the editor): the first ones of every file that type SHORTEST to LONGEST characters. For every
keystroke and every move of the caret the prompt is made. Its share that stays is the number of tokens it begins with in
common with the prompt before, over all its tokens: what an engine's cache can serve. The first prompt of a session is
not counted. What is lost is lost by jumps to the next change, by a suffix that changes (closing brackets that the
editor puts in and the developer types over), or otherwise. The releases are downloaded with pip.

    python benchmarks/prompt_stability.py
"""

import argparse
import statistics
import subprocess
import sys
import sysconfig
import time
import zipfile
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from rich.console import Console
from rich.table import Table

from midspan.context.store import default_cache
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.build import make_prompt
from midspan.prompt.formats import FORMATS
from midspan.prompt.pin import Pins
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import PromptConfig, Strategy

sys.path.append(str(Path(__file__).parent.parent / "tests" / "prompt"))

from recorded_session import Edit, Moment, edits_between, session, shared

RELEASES = (("flask", "2.2.5", "2.3.3"), ("boltons", "23.1.1", "24.1.0"), ("marshmallow", "3.20.2", "3.22.0"))
EDITS, AT_A_TIME = 20, 2
SHORTEST, LONGEST = 20, 1_000
STRATEGIES: tuple[Strategy, ...] = ("iou", "path_distance", "rag", "coverage")
CAUSES = ("jumps", "suffix", "other")
VOCABULARY, TRAINING_CHARS = 8_192, 4_000_000


@dataclass
class Measured:
    """Shares of the prompts that did not stay, by cause, and milliseconds per prompt."""

    lost: dict[str, list[float]] = field(default_factory=lambda: {cause: [] for cause in CAUSES})
    milliseconds: list[float] = field(default_factory=list)

    def points(self, cause: str) -> float:
        """What the cause takes from the mean share over all prompts."""
        return sum(self.lost[cause]) / sum(map(len, self.lost.values()))

    @property
    def stays(self) -> float:
        """The mean share that stayed."""
        return 1 - sum(map(self.points, CAUSES))


def main() -> None:
    """Download, type, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache() / "benchmarks", help="folder for downloads")
    parser.add_argument("--max-tokens", type=int, default=1_536)
    arguments = parser.parse_args()
    tokenizer = library_tokenizer()
    config = PromptConfig(max_tokens=arguments.max_tokens)
    table = Table(title=f"{EDITS} changes of each package, prompts of up to {config.max_tokens} tokens")
    for column in ("package", "strategy", "pins"):
        table.add_column(column)
    for column in ("prompts", "stays", *CAUSES, "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    for name, old, new in RELEASES:
        before, after = (sources(arguments.cache, name, version) for version in (old, new))
        moments = list(session(name, before, chosen_edits(before, after)))
        for strategy in STRATEGIES:
            for pins in (None, Pins()):
                measured = measure(tokenizer, config, strategy, moments, pins)
                times = statistics.quantiles(measured.milliseconds, n=20)
                table.add_row(
                    *(name, strategy, "yes" if pins else "no", str(len(moments)), f"{measured.stays:.1%}"),
                    *(f"{measured.points(cause):.1%}" for cause in CAUSES),
                    *(f"{times[9]:.1f}", f"{times[18]:.1f}"),
                )
    Console(width=100).print(table)


def library_tokenizer() -> Tokenizer:
    """A tokenizer learned on this Python's library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = "".join(file.read_text(encoding="utf-8") for file in files)[:TRAINING_CHARS]
    return Tokenizer.from_json(train_tokenizer(text.splitlines(keepends=True), VOCABULARY).to_str())


def sources(cache: Path, name: str, version: str) -> dict[str, str]:
    """Python files of a release, by path; its wheel is downloaded if it is not in `cache`."""
    folder = cache / f"{name}=={version}"
    if not list(folder.glob("*.whl")):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(folder), f"{name}=={version}"], check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        paths = sorted(path for path in archive.namelist() if path.endswith(".py"))
        return {path: archive.read(path).decode().replace("\r\n", "\n") for path in paths}


def chosen_edits(before: dict[str, str], after: dict[str, str]) -> list[Edit]:
    """The first edits of every file, a few at a time, so that the developer comes back to files."""
    groups = []
    for path in sorted(before.keys() & after.keys()):
        edits = edits_between(path, before[path], after[path], SHORTEST, LONGEST)
        groups.append([edits[start : start + AT_A_TIME] for start in range(0, len(edits), AT_A_TIME)])
    rounds = zip_longest(*groups, fillvalue=[])
    return [edit for round in rounds for group in round for edit in group][:EDITS]


def measure(
    tokenizer: Tokenizer, config: PromptConfig, strategy: Strategy, moments: list[Moment], pins: Pins | None
) -> Measured:
    """Make the prompt of every moment."""
    measured = Measured()
    last: list[int] = []
    for before, moment in zip([None, *moments], moments, strict=False):
        started = time.perf_counter()
        ids = make_prompt(
            tokenizer,
            FORMATS["mellum"],
            moment.project,
            path=moment.path,
            prefix=moment.prefix,
            suffix=moment.suffix,
            strategy=strategy,
            config=config,
            pins=pins,
        ).ids
        measured.milliseconds.append((time.perf_counter() - started) * 1_000)
        if before is not None:
            cause = "jumps" if before.edit != moment.edit else "suffix" if before.suffix != moment.suffix else "other"
            measured.lost[cause].append(1 - shared(last, ids) / len(ids))
        last = ids
    return measured


if __name__ == "__main__":
    main()
