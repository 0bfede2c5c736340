"""Licences: do the texts in packages and what the packages declare say the same, and who is mistaken where they do not?

Packages of the running environment, of PyPI and of npm (downloaded once, named in licence_packages.txt). For each that
has both, the licence read off its files is held against the one read off its metadata. Rules, no list of names, say how
the two go together: what neither side can say (a GPL text whether later versions hold, texts whether one may choose,
"BSD" which BSD) is no disagreement. Peer on the same files: scancode-toolkit, if it is installed.

    python benchmarks/licence_agreement.py [--peer COMMAND]     (for example --peer /tmp/peer/bin/scancode)
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from midspan.cli.main import guarded
from midspan.context.store import default_cache
from midspan.data.licence import LicenceFinder, stated
from midspan.data.licence_text import Match, identify
from midspan.data.sources import list_projects
from midspan.data.sources.contents import read_contents
from midspan.data.sources.project import LicenceText, Location, SourceProject, is_licence_file
from midspan.data.spdx import identifiers, is_permissive
from midspan.recipe.sources import ArchiveSource, EnvironmentSource

PACKAGES = Path(__file__).with_name("licence_packages.txt")
LARGEST = 500_000

AGREE = ("same", "same licences, texts cannot say whether one may choose", "the text cannot say 'or later'")
LOOSE = "metadata names a family of licences only"
BUNDLED = "the texts add the licences of parts"
ELSEWHERE = "the metadata adds the licences of parts, whose texts lie in their folders"
UNKNOWN_TEXT = "text not recognised"
UNKNOWN_NAME = "name in the metadata not recognised"
MISSING = "metadata names licences whose texts are not there"
DIFFERENT = "different"
WHOSE = {
    UNKNOWN_TEXT: "ours: dropped as unknown",
    UNKNOWN_NAME: "ours, harmless: the text decides",
    MISSING: "the package's: a text is missing; we see too few licences",
    DIFFERENT: "to be looked at",
}


@dataclass(frozen=True)
class Package:
    """What a package's files and its metadata say."""

    name: str
    texts: tuple[LicenceText, ...]
    found: Match
    everywhere: frozenset[str]
    """Identifiers of the licences of all texts, also those of single folders."""
    declared: str
    words: str
    """The metadata's own words."""


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", metavar="COMMAND", help="the command `scancode`, to be measured on the same texts")
    options = parser.parse_args()
    return guarded(lambda: _run(options.peer))


def _run(peer: str | None) -> None:
    packages = list(_packages())
    verdicts = {package.name: verdict(package) for package in packages}
    _print(packages, verdicts)
    if peer:
        _compare(packages, peer)


def verdict(package: Package) -> str:
    """How files and metadata go together."""
    files, declared = identifiers(package.found.expression), identifiers(package.declared)
    if not files:
        return UNKNOWN_TEXT
    if package.found.expression == package.declared:
        return AGREE[0]
    if files == declared:
        return AGREE[1]
    if files and {_version(each) for each in files} == {_version(each) for each in declared}:
        return AGREE[2]
    family = _family(package.words)
    if family and any(each.startswith(family) for each in files):
        return LOOSE
    if not declared:
        return UNKNOWN_NAME
    if {_version(each) for each in declared} <= {_version(each) for each in files}:
        return BUNDLED
    if {_version(each) for each in declared} <= {_version(each) for each in package.everywhere}:
        return ELSEWHERE
    return MISSING if files < declared else DIFFERENT


def _version(identifier: str) -> str:
    return (
        re.sub(r"-(?:only|or-later)$", "", identifier)
        .replace("Python-2.0.1", "PSF-2.0")
        .replace("Python-2.0", "PSF-2.0")
    )


def _family(words: str) -> str:
    """The family that metadata names without a version, "" if it names a licence."""
    plain = re.sub(r"(?i)\b(the|licen[cs]e|osi|approved)\b|[^A-Za-z ]", " ", words).split()
    return {"bsd": "BSD", "gpl": "GPL", "artistic": "Artistic", "apache": "Apache"}.get(" ".join(plain).lower(), "")


def _packages() -> Iterator[Package]:
    finder = LicenceFinder()
    seen: set[str] = set()
    sources = [EnvironmentSource(kind="environment")]
    for folder in download():
        sources.append(ArchiveSource(kind="archive", path=str(folder)))
    for project in list_projects(sources):
        if not isinstance(project, SourceProject) or project.name.partition("#")[0] in seen:
            continue
        seen.add(project.name)
        declared, texts = project.declared, project.declared.files or project.licence_files.get("", ())
        words = (
            declared.expression
            or declared.name.partition("\n")[0]
            or "; ".join(
                each.removeprefix("License :: ").removeprefix("OSI Approved :: ") for each in declared.classifiers
            )
        )
        if texts and words and words != "UNKNOWN":
            others = (*(text for each in project.licence_files.values() for text in each), *_notices(project))
            everywhere = frozenset().union(
                *(identifiers(finder.classify(text).expression) for text in (*texts, *others))
            )
            found = finder.together(texts)
            yield Package(project.name, tuple(texts), found, everywhere, stated(declared).expression, words)


def _notices(project: SourceProject) -> Iterator[LicenceText]:
    """The licence texts of parts that an installed package keeps in its `.dist-info`."""
    if project.source.startswith("environment"):
        for file in metadata.distribution(project.name).files or ():
            if ".dist-info" in file.parts[0] and is_licence_file(file.name):
                yield LicenceText(file.name, Location(str(file.locate())))


def download() -> list[Path]:
    """The folders of packages of PyPI and npm, downloaded if they are not there yet."""
    home = default_cache() / "benchmarks" / "licences"
    names = PACKAGES.read_text().split()
    pypi = [name for name in names if not name.startswith("npm:")]
    folders = [home / "pypi", home / "npm"]
    if not (home / "whole").exists():
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        print(f"downloading {len(names)} packages", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "--prefer-binary", "--dest", str(folders[0]), *pypi], check=True, stderr=subprocess.DEVNULL
        )
        for name in names:
            if name.startswith("npm:"):
                command = ["npm", "pack", "--silent", name.removeprefix("npm:")]
                subprocess.run(command, cwd=folders[1], check=True, stdout=subprocess.DEVNULL)
        (home / "whole").touch()
    return folders


def _print(packages: Sequence[Package], verdicts: dict[str, str]) -> None:
    counts = Counter(verdicts.values())
    recognised = [package for package in packages if verdicts[package.name] not in (UNKNOWN_TEXT, UNKNOWN_NAME)]
    good = (*AGREE, LOOSE, BUNDLED, ELSEWHERE)
    agreeing = sum(verdicts[package.name] in good for package in recognised)
    decisions = sum(
        is_permissive(package.found.expression, "lead") == is_permissive(package.declared, "lead")
        for package in recognised
    )
    table = Table("files and metadata", "packages", "whose mistake", title=f"{len(packages)} packages with both")
    for kind in (*good, MISSING, DIFFERENT, UNKNOWN_TEXT, UNKNOWN_NAME):
        if counts[kind]:
            table.add_row(kind, f"{counts[kind]:,}", "nobody's" if kind in good else WHOSE[kind])
    console = Console(width=150)
    console.print(table)
    disagreements = Table("package", "files say", "metadata says", "how", title="where they differ")
    for package in packages:
        if verdicts[package.name] not in AGREE:
            found = package.found.expression or "(unknown)"
            disagreements.add_row(package.name, found, package.words[:60], verdicts[package.name])
    console.print(disagreements)
    print(
        f"agreement where both are recognised: {agreeing}/{len(recognised)} = {agreeing / len(recognised):.1%}; "
        f"texts recognised: {1 - counts[UNKNOWN_TEXT] / len(packages):.1%}; "
        f"same decision at tier lead: {decisions}/{len(recognised)} = {decisions / len(recognised):.1%}"
    )


def _compare(packages: Sequence[Package], peer: str) -> None:
    """Time and agreement of the peer on the licence texts, each file once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "texts"
        folder.mkdir()
        owners: dict[str, Package] = {}
        contents: dict[str, str] = {}
        for package in packages:
            for text, content in zip(
                package.texts, read_contents([(text.location, LARGEST) for text in package.texts]), strict=True
            ):
                if isinstance(content, bytes):
                    file = f"{len(owners):04}-{text.name}"
                    owners[file] = package
                    contents[file] = content.decode("utf-8", errors="replace")
                    (folder / file).write_bytes(content)
        started = time.perf_counter()
        ours = {file: identify(text) for file, text in contents.items()}
        our_time = time.perf_counter() - started
        result = Path(name) / "result.json"
        started = time.perf_counter()
        command = [
            shutil.which(peer) or peer,
            "--license",
            "--quiet",
            "--processes",
            "1",
            "--json",
            str(result),
            str(folder),
        ]
        subprocess.run(command, check=True)
        peer_time = time.perf_counter() - started
        theirs = {
            Path(file["path"]).name: file.get("detected_license_expression_spdx") or ""
            for file in json.loads(result.read_text())["files"]
            if file["type"] == "file"
        }
    alone = [file for file, package in owners.items() if len(package.texts) == 1]
    table = Table(
        "", "texts", "seconds", "recognised", "names what metadata declares", title="the same texts, one process"
    )
    for name, answers, seconds in (
        ("Midspan", {file: match.expression for file, match in ours.items()}, our_time),
        ("scancode", theirs, peer_time),
    ):
        named = sum(
            {_version(each) for each in identifiers(owners[file].declared)}
            <= {_version(each) for each in identifiers(answers.get(file, ""))}
            for file in alone
        )
        known = sum(bool(answers.get(file)) for file in owners)
        table.add_row(name, str(len(owners)), f"{seconds:.1f}", f"{known / len(owners):.1%}", f"{named}/{len(alone)}")
    same = sum(identifiers(ours[file].expression) == identifiers(theirs.get(file, "")) for file in owners)
    Console(width=120).print(table)
    print(f"same licences from both: {same}/{len(owners)}; ratio of speed {peer_time / our_time:.1f}")


if __name__ == "__main__":
    sys.exit(main())
