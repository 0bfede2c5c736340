"""The folders that an editor has open, and which document belongs to which of them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from pygls.uris import to_fs_path

from midspan.context.project import Project
from midspan.context.sets import Feature
from midspan.serve.folder import Folder


class Workspace:
    """Lives in one event loop. With `watched` the editor tells which files change."""

    def __init__(self, features: Callable[[], Awaitable[Sequence[Feature]]]) -> None:
        self.folders: list[Folder] = []
        self._features = features
        self._watched = False

    def add(self, uris: Iterable[str]) -> None:
        """Begin to index folders, those on this machine that are not open yet."""
        known = {folder.root for folder in self.folders}
        for root in _roots(uris):
            if root not in known:
                folder = Folder(root, self._features)
                folder.watched = self._watched
                self.folders.append(folder)

    async def remove(self, uris: Iterable[str]) -> None:
        """Forget folders."""
        roots = set(_roots(uris, gone=True))
        closed = [folder for folder in self.folders if folder.root in roots]
        self.folders = [folder for folder in self.folders if folder not in closed]
        for folder in closed:
            await folder.close()

    def watch(self) -> None:
        """From now on the editor tells which files change, in folders added later too."""
        self._watched = True
        for folder in self.folders:
            folder.watched = True
            folder.look_again()  # what changed before the watch began

    def place(self, uri: str) -> tuple[Folder | None, str]:
        """The innermost folder a document is in, and its path there; its bare name if it is in none."""
        inside = [(folder, path) for folder in self.folders if (path := relative(folder.root, uri)) is not None]
        if inside:
            return min(inside, key=lambda place: len(place[1]))
        return None, unquote(uri.rstrip("/").rpartition("/")[2]) or "untitled"

    async def project(self, folder: Folder, path: str, documents: Mapping[str, str]) -> Project | None:
        """The folder's project for a caret in `path`, with the texts of the open `documents` by their URIs."""
        paths = [(relative(folder.root, uri), text) for uri, text in documents.items()]
        return await folder.project({path: text for path, text in paths if path is not None}, path)

    def look_again(self, uris: Iterable[str]) -> None:
        """Files changed on disk. Each belongs to every folder it is in; of a link, so does what it leads to."""
        uris = list(uris)
        for folder in self.folders:
            paths = {relative(folder.root, uri, follow) for uri in uris for follow in (True, False)}
            if known := [path for path in paths if path is not None]:
                folder.look_again(known)

    async def close(self) -> None:
        """Give all indexes back."""
        for folder in self.folders:
            await folder.close()


def relative(root: Path, uri: str, follow: bool = True) -> str | None:
    """Path of a document relative to `root`, None if it is not below it, wherever links lead.

    Without `follow` the path of the link itself, if the document is one.
    """
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        return None
    try:
        resolved = Path(path).resolve() if follow else Path(path).parent.resolve() / Path(path).name
    except (OSError, RuntimeError):  # links in a circle
        return None
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else None


def _roots(uris: Iterable[str], gone: bool = False) -> list[Path]:
    """The folders on this machine; with `gone` also those that are not there any more."""
    paths = [Path(path).resolve() for uri in uris if (path := to_fs_path(uri))]
    return [path for path in paths if gone or path.is_dir()]
