"""Models by their Hugging Face name, in the cache that the Hugging Face tools fill. Nothing is downloaded here."""

import os
import re
from pathlib import Path

from midspan.errors import MidspanError

NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_name(model: str) -> bool:
    """Whether `model` has the form of a Hugging Face name, `org/name`."""
    return NAME.fullmatch(model) is not None and ".." not in model


def cache_folder() -> Path:
    """The folder of downloaded models, as the Hugging Face tools find it by their environment variables."""
    if hub := os.environ.get("HF_HUB_CACHE"):
        return Path(hub).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def find(name: str) -> Path:
    """The folder of the downloaded model; of several revisions `main`, else the only one.

    Raises MidspanError, with the command that downloads it, if it is not there.
    """
    folder = cache_folder() / f"models--{name.replace('/', '--')}"
    download = f"download it with: hf download {name}"
    if not (folder / "snapshots").is_dir():
        raise MidspanError(
            f"{name} is neither a run, nor a path, nor in the Hugging Face cache {folder.parent}", download
        )
    main = folder / "refs" / "main"
    if main.is_file():
        snapshot = folder / "snapshots" / main.read_text(encoding="utf-8").strip()
        if snapshot.is_dir():
            return snapshot
    snapshots = sorted(path for path in (folder / "snapshots").iterdir() if path.is_dir())
    if len(snapshots) == 1:
        return snapshots[0]
    found = f"{len(snapshots)} revisions, none of them main" if snapshots else "no revision"
    raise MidspanError(f"the Hugging Face cache {folder} holds {found}", download)
