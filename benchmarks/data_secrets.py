"""Secrets and personal data: how much of what was planted goes, and how much of what goes is none.

Made-up values (`data_secrets_planted`) are planted into real files of all languages at hand, in the syntax of each;
figures are of the half of values and forms on which the rules were not tuned. The peer is detect-secrets with its
default plugins, on the same files. On the same files unplanted, findings are counted by kind, and `--list` shows them
with their line, the values masked, for a look.

    python benchmarks/data_secrets.py [--half reporting] [--files 1200] [--misses] [--list]
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import data_secrets_reporting
import data_secrets_tuning
import data_secrets_tuning_more
import pydantic
from data_secrets_planted import Planted, plant
from detect_secrets.core import scan
from detect_secrets.settings import default_settings
from projects import project_folder
from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.data.redact import redact
from midspan.syntax.languages import LANGUAGES, language_of
from midspan.syntax.parse import error_count

SAMPLES = Path(__file__).parent.parent / "tests" / "syntax" / "samples"
HALVES = {
    "tuning": data_secrets_tuning.TABLES,
    "tuning-more": data_secrets_tuning_more.TABLES,
    "reporting": data_secrets_reporting.TABLES,
}
PROJECTS = ("three", "rxjs", "react-native")
PER_LANGUAGE_SHARE = 0.2
"""No language has more than this share of the files."""
PEER_KINDS = ("token", "password", "private_key", "ip_address")


def main() -> int:
    """Plant, redact, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=list(HALVES), default="reporting")
    parser.add_argument("--files", type=int, default=1_200)
    parser.add_argument("--misses", action="store_true", help="list every planted value that was not found")
    parser.add_argument("--list", action="store_true", help="list what is found in the files as they are")
    parser.add_argument("--no-peer", action="store_true")
    return guarded(lambda: _run(parser.parse_args()))


def _run(options: argparse.Namespace) -> None:
    files = list(_files(options.files))
    size = sum(len(text.encode()) for _, _, text in files)
    languages = Counter(language for _, language, _ in files)
    print(f"{len(files)} files, {size / 1e6:.1f} MB, {len(languages)} languages: {dict(languages.most_common())}")
    rng = random.Random(f"{options.half} 0")
    cases = [
        (path, language, text, *plant(text, language, rng, HALVES[options.half])) for path, language, text in files
    ]
    cases = [case for case in cases if case[4]]
    _ours(cases, options)
    if not options.no_peer:
        _peer(cases)
    _unplanted(files, options)


def _ours(cases: list[tuple[str, str, str, str, list[Planted]]], options: argparse.Namespace) -> None:
    planted, found, extra, broken = Counter[str](), Counter[str](), Counter[str](), 0
    misses: list[tuple[str, str, Planted]] = []
    for path, language, text, full, values in cases:
        redacted = redact(full)
        here = Counter(redact(text).counts)
        for value in values:
            planted[value.kind] += 1
            here[value.kind] += value.value.count("\n") + 1
            if _gone(value, text, redacted.text):
                found[value.kind] += 1
            else:
                misses.append((path, language, value))
        extra += Counter(redacted.counts) - here
        known = LANGUAGES[language]
        broken += error_count(redacted.text.encode(), known) > error_count(full.encode(), known)
    table = Table("kind", "planted", "gone", "recall", "replaced beyond", title=f"planted, half {options.half}")
    for kind in [*planted, "all"]:
        total = sum(planted.values()) if kind == "all" else planted[kind]
        gone = sum(found.values()) if kind == "all" else found[kind]
        more = sum(extra.values()) if kind == "all" else extra[kind]
        table.add_row(kind, str(total), str(gone), f"{gone / total:.3f}", str(more))
    Console(width=120).print(table)
    gone, more = sum(found.values()), sum(extra.values())
    print(
        f"precision over what was planted: {gone / (gone + more):.3f}; files that parse worse: {broken} of {len(cases)}"
    )
    by_form = Counter(f"{miss.kind}: {miss.form}" for _, _, miss in misses)
    print(f"{len(misses)} misses; the commonest: {by_form.most_common(12)}")
    if options.misses:
        for path, language, miss in misses:
            print(f"  {miss.kind} | {miss.form} | {miss.value} | {language} {path}")


def _gone(value: Planted, before: str, after: str) -> bool:
    return all(after.count(line) <= before.count(line) for line in value.value.split("\n"))


def _peer(cases: list[tuple[str, str, str, str, list[Planted]]]) -> None:
    planted, found, extra = Counter[str](), Counter[str](), 0
    seconds, size, ours = 0.0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder, default_settings():
        for number, (path, _, text, full, values) in enumerate(cases):
            file = Path(folder) / f"{number}{Path(path).suffix}"
            firsts = [(value.value.split("\n")[0], value) for value in values]
            lines = {full[: full.find(first)].count("\n") + 1: value for first, value in firsts}
            file.write_text(full, encoding="utf-8")
            started = time.perf_counter()
            hits = {secret.line_number for secret in scan.scan_file(str(file))}
            seconds += time.perf_counter() - started
            started = time.perf_counter()
            redact(full)
            ours += time.perf_counter() - started
            size += len(full)
            before = file.with_name(f"before{number}{file.suffix}")
            before.write_text(text, encoding="utf-8")
            extra += max(0, len(hits - lines.keys()) - len({s.line_number for s in scan.scan_file(str(before))}))
            for line, value in lines.items():
                planted[value.kind] += 1
                found[value.kind] += line in hits
    table = Table(
        "kind", "planted lines", "found", "recall", title="detect-secrets, a line counts as found if reported"
    )
    for kind in planted:
        note = "" if kind in PEER_KINDS else " (knows none)"
        table.add_row(kind + note, str(planted[kind]), str(found[kind]), f"{found[kind] / planted[kind]:.3f}")
    Console(width=120).print(table)
    known, total = sum(found[kind] for kind in PEER_KINDS), sum(planted[kind] for kind in PEER_KINDS)
    print(f"detect-secrets over the kinds it knows: recall {known / total:.3f}; lines reported beyond: {extra}")
    print(
        f"speed: ours {size / ours / 1e6:.1f} MB/s, detect-secrets {size / seconds / 1e6:.2f} MB/s:"
        f" {seconds / ours:.0f}:1"
    )


def _unplanted(files: list[tuple[str, str, str]], options: argparse.Namespace) -> None:
    counts, broken, clean_bytes, clean_seconds = Counter[str](), 0, 0, 0.0
    for path, language, text in files:
        started = time.perf_counter()
        redacted = redact(text)
        elapsed = time.perf_counter() - started
        counts += Counter(redacted.counts)
        if not redacted.counts:
            clean_bytes, clean_seconds = clean_bytes + len(text), clean_seconds + elapsed
            continue
        known = LANGUAGES[language]
        worse = error_count(redacted.text.encode(), known) > error_count(text.encode(), known)
        broken += worse
        if options.list:
            for before, after in zip(text.split("\n"), redacted.text.split("\n"), strict=True):
                if before != after:
                    print(f"  {'WORSE ' if worse else ''}{path}: {after.strip()[:160]}")
    print(f"unplanted: {sum(counts.values())} replaced in {len(files)} files: {dict(counts.most_common())}")
    print(
        f"files that parse worse: {broken}; speed on files without findings"
        f" {clean_bytes / clean_seconds / 1e6:.0f} MB/s"
    )


def _files(count: int) -> Iterator[tuple[str, str, str]]:
    """(path, language, text) of real files in the order of a seeded draw."""
    folders = [Path(pydantic.__file__).parent.parent, *map(project_folder, PROJECTS)]
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if language_of(path.name)]
    paths += sorted(SAMPLES.iterdir())
    random.Random(0).shuffle(paths)
    taken: Counter[str] = Counter()
    for path in paths:
        language = language_of(path.name)
        name = language.name if language else path.stem
        if name not in LANGUAGES or taken[name] >= PER_LANGUAGE_SHARE * count or not path.is_file():
            continue
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        if 200 < len(text) < 60_000 and "\0" not in text:
            taken[name] += 1
            yield str(path)[-80:], name, text
        if taken.total() == count:
            return


if __name__ == "__main__":
    sys.exit(main())
