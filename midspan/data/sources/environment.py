"""The packages installed in a Python environment as sources: each distribution is a project.

Its version is the revision, its RECORD the list of files, its metadata and the licence files of its `.dist-info` the
declared licence. Links are never followed. Cost: one `lstat` per file.
"""

import os
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

from midspan.data.sources.folder import look
from midspan.data.sources.project import (
    Broken,
    Declaration,
    LicenceText,
    Listed,
    Location,
    SourceProject,
    is_licence_file,
    sort_files,
)
from midspan.errors import MidspanError
from midspan.recipe.sources import EnvironmentSource

Values = Callable[[str], list[str] | None]

_NAME_BREAKS = re.compile(r"[-_.]+")


def normal_name(name: str) -> str:
    """The name of a distribution as PEP 503 spells it."""
    return _NAME_BREAKS.sub("-", name).lower()


def distributions(source: EnvironmentSource) -> list[tuple[str, str, metadata.Distribution]]:
    """(name, version, distribution) of the packages of an environment, sorted; names are normalised (PEP 503)."""
    if source.path is None:
        paths = sysconfig.get_paths()
        roots = sorted({paths["purelib"], paths["platlib"]})
    else:
        root = Path(source.path).expanduser()
        if not root.is_dir():
            raise MidspanError(f"there is no folder {source.path}", "give the path of a site-packages folder")
        roots = [str(root)]
    found: dict[str, tuple[str, str, metadata.Distribution]] = {}
    for distribution in metadata.distributions(path=roots):
        name = normal_name(distribution.metadata["Name"] or "")
        if name:
            found.setdefault(name, (name, distribution.version, distribution))
    wanted = {normal_name(name) for name in source.packages}
    if missing := sorted(wanted - found.keys()):
        raise MidspanError(f"{', '.join(missing)} not installed in {', '.join(roots)}", "check packages of the source")
    if wanted:
        found = {name: found[name] for name in wanted}
    if not found:
        raise MidspanError(f"no package is installed in {', '.join(roots)}", "check the path of the source")
    return [found[name] for name in sorted(found)]


def environment_projects(source: EnvironmentSource) -> Iterator[SourceProject | Broken]:
    """The packages of an environment. Raises MidspanError if there is none, or not one that is named."""
    for name, version, distribution in distributions(source):
        root = Path(str(distribution.locate_file("")))
        resolved = root.resolve()
        inside = {"": True}
        listed: list[Listed] = []
        notices: list[PurePosixPath] = []
        skipped: Counter[str] = Counter()
        recorded = distribution.files
        if recorded is None:
            skipped["package_without_file_list"] += 1
        for file in map(str, recorded or ()):
            folder, _, base = file.rpartition("/")
            if file.startswith("/") or ".." in folder.split("/"):
                continue
            if file.partition("/")[0].endswith(".dist-info"):
                if is_licence_file(base):
                    notices.append(PurePosixPath(file))
                continue
            if folder not in inside:
                inside[folder] = os.path.realpath(f"{resolved}/{folder}").startswith(f"{resolved}/")
            if not inside[folder]:
                skipped["link"] += 1
            elif found := look(root, file, skipped):
                listed.append(found)
        files, texts = sort_files(listed, skipped)
        found_texts = ((notice, look(root, notice.as_posix(), skipped)) for notice in sorted(notices))
        located = {notice: found.location for notice, found in found_texts if found}
        declared = declaration_of(distribution.metadata.get_all, package_texts(located))
        project = SourceProject(name, f"environment:{name}", version, files, texts, declared, skipped=skipped)
        place_notices(project, located)
        yield project


def declaration_of(values: Values, texts: Sequence[LicenceText]) -> Declaration:
    """What the core metadata of a Python package declares; `values` answers all values of a field."""
    return Declaration(
        expression=next(iter(values("License-Expression") or ()), ""),
        name=next(iter(values("License") or ()), ""),
        classifiers=tuple(each for each in values("Classifier") or () if each.startswith("License ::")),
        files=tuple(texts),
    )


def package_texts(notices: dict[PurePosixPath, Location]) -> list[LicenceText]:
    """The licence texts of a `.dist-info` that speak of the whole package: `x.dist-info/[licenses/]NAME`."""
    return [LicenceText(notice.name, location) for notice, location in notices.items() if len(notice.parts) <= 3]


def place_notices(project: SourceProject, notices: dict[PurePosixPath, Location]) -> None:
    """Give the texts in `x.dist-info/licenses/[src/]a/b` (PEP 639 keeps source paths) to the directory a/b.

    All of them: where there are two, both hold. A directory that has licence files of its own keeps those.
    """
    directories: set[str] = set()
    for folder in {file.path.rpartition("/")[0] for file in project.files}:
        while folder and folder not in directories:
            directories.add(folder)
            folder = folder.rpartition("/")[0]
    placed: dict[str, tuple[LicenceText, ...]] = {}
    for notice, location in notices.items():
        parts = notice.parts[2:-1]
        directory = "/".join(parts[1:] if parts[:1] == ("src",) else parts)
        if directory in directories and directory not in project.licence_files:
            placed[directory] = (*placed.get(directory, ()), LicenceText(notice.name, location))
    project.licence_files.update(placed)
