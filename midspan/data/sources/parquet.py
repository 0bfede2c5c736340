"""Parquet as a source: a row is a file, columns say its path, project, revision and licence.

Listing streams the small columns by row group; the text column is read only where no column holds its size. Rows of one
project come together whatever files they lie in. Licences are what the dataset states for each row.

Cost: reading a part decompresses the text column of the row groups its rows are in: once over all parts if rows of a
project lie together, up to once per part if they are scattered.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from midspan.data.sources.folder import stamp_of
from midspan.data.sources.paths import files_at
from midspan.data.sources.project import Broken, Declaration, Location, SourceFile, SourceProject, Unread
from midspan.errors import MidspanError
from midspan.recipe.sources import ParquetColumns, ParquetSource
from midspan.syntax.languages import language_of

SUFFIXES = (".parquet",)
FORMATS = {
    "columns": ParquetColumns(),
    # https://huggingface.co/datasets/bigcode/the-stack, "Data Fields"
    "the-stack": ParquetColumns(
        text="content",
        path="max_stars_repo_path",
        project="max_stars_repo_name",
        revision="max_stars_repo_head_hexsha",
        licence="max_stars_repo_licenses",
        bytes="size",
    ),
    # https://huggingface.co/datasets/bigcode/the-stack-v2, with the contents fetched into `content`
    "the-stack-v2": ParquetColumns(
        text="content",
        path="path",
        project="repo_name",
        revision="revision_id",
        licence="detected_licenses",
    ),
    # https://huggingface.co/datasets/bigcode/starcoderdata
    "starcoderdata": ParquetColumns(text="content", path="max_stars_repo_path", project="max_stars_repo_name"),
}
"""Columns of published datasets. All of them are of GitHub repositories."""
GITHUB = "https://github.com/"
DAMAGE = (OSError, pa.ArrowException)


def parquet_projects(source: ParquetSource) -> Iterator[SourceProject | Broken]:
    """The projects of one or more Parquet files. Raises MidspanError if there is none, or no row of use."""
    rows = _Rows(source)
    for path in files_at(source.path, SUFFIXES):
        try:
            rows.add(path)
        except MidspanError as error:
            yield Broken(f"parquet:{path.name}", error.message, error.hint)
        except DAMAGE as error:
            yield Broken(f"parquet:{path.name}", f"damaged: {' '.join(str(error).split())}")
    yield from rows.projects()


class _Rows:
    """Rows gathered by project."""

    def __init__(self, source: ParquetSource) -> None:
        self._source = source
        chosen = source.columns.model_dump(exclude_defaults=True)
        self._columns = FORMATS[source.format].model_copy(update=chosen)
        self._files: dict[str, dict[str, SourceFile]] = {}
        self._revisions: dict[str, str] = {}
        self._skipped: Counter[str] = Counter()

    def add(self, path: Path) -> None:
        """List the rows of one file; nothing of it is kept if it turns out to be damaged."""
        stamp = stamp_of(path.stat())
        found = []
        with pq.ParquetFile(path) as file:
            names = [name for name in self._columns.model_dump().values() if name]
            if missing := sorted(set(names) - set(file.schema_arrow.names)):
                raise MidspanError(
                    f"it has no column {', '.join(missing)} (but {', '.join(file.schema_arrow.names)})",
                    "name its columns in [data.sources.columns]",
                )
            for group in range(file.num_row_groups):
                for index, row in enumerate(self._known(file, group)):
                    location = Location(str(path), f"{group}:{index}:{self._columns.text}", "parquet", stamp)
                    found.append((row, location))
        for number, (row, location) in enumerate(found):
            self._place(row, location, f"{path.stem}-{number}")

    def _known(self, file: pq.ParquetFile, group: int) -> Iterator[dict[str, Any]]:
        """What the columns other than the text say of each row, by field of `ParquetColumns`; `bytes` always."""
        named = {field: name for field, name in self._columns.model_dump().items() if name and field != "text"}
        table = file.read_row_group(group, columns=sorted(set(named.values())))
        columns = {field: table[name].to_pylist() for field, name in named.items()}
        if "bytes" not in columns:
            texts = file.read_row_group(group, columns=[self._columns.text])[self._columns.text]
            columns["bytes"] = pc.binary_length(texts).to_pylist()
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def _place(self, row: dict[str, Any], location: Location, number: str) -> None:
        path = row.get("path") or ("" if self._columns.path else number)
        language = self._source.language or (found.name if (found := language_of(path)) else "")
        if not path or row["bytes"] is None:
            self._skipped["missing"] += 1
        elif not language:
            self._skipped["unknown_language"] += 1
        else:
            project = row.get("project") or self._source.name or Path(location.container).stem
            files = self._files.setdefault(project, {})
            if path in files:
                self._skipped["same_path_again"] += 1
                return
            self._revisions.setdefault(project, row.get("revision") or "")
            declared = _declaration(_joined(row.get("licence")), self._columns.licence, self._source.licence)
            files[path] = SourceFile(path, location, language, row["bytes"], declared)

    def projects(self) -> Iterator[SourceProject]:
        """What was gathered, in the order of names; what was skipped is counted with the first project."""
        if not self._files:
            raise MidspanError(f"{self._source.path} holds no row in a known language", "check the columns' names")
        skipped = self._skipped
        for name, files in sorted(self._files.items()):
            ordered = tuple(file for _, file in sorted(files.items()))
            address = f"{GITHUB}{name}" if self._source.format != "columns" and name.count("/") == 1 else ""
            label = f"parquet:{self._source.path}"
            yield SourceProject(name, label, self._revisions[name], ordered, url=address, skipped=skipped)
            skipped = Counter()


def _joined(licences: str | Sequence[str] | None) -> str:
    """Several licences of one file all hold."""
    if licences is None or isinstance(licences, str):
        return licences or ""
    return " AND ".join(f"({licence})" for licence in licences)


@cache
def _declaration(stated: str, column: str, licence: str) -> Declaration:
    if stated or not licence:
        return Declaration(expression=stated, origin=f"column {column}" if column else "")
    return Declaration(expression=licence, origin="recipe")


def text_rows(path: Path, text: str, name: str = "") -> Iterator[tuple[str, Location, int]]:
    """(Name, location, bytes of UTF-8) of the rows of a file that have a text; the name is "" without a column of it.

    Raises MidspanError without such columns, one of `DAMAGE` for a damaged file.
    """
    stamp = stamp_of(path.stat())
    with pq.ParquetFile(path) as file:
        if missing := sorted({text, name} - {"", *file.schema_arrow.names}):
            raise MidspanError(f"it has no column {', '.join(missing)}", "name the column of texts in `column`")
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[text, *([name] if name else [])])
            names = table[name].to_pylist() if name else [""] * len(table)
            sizes = pc.binary_length(table[text]).to_pylist()
            for index, (each, size) in enumerate(zip(names, sizes, strict=True)):
                if size is not None:
                    yield each, Location(str(path), f"{group}:{index}:{text}", "parquet", stamp), size


def parquet_identity(source: ParquetSource) -> Iterator[str]:
    """Name, size and time of each file."""
    for path in files_at(source.path, SUFFIXES):
        yield f"{path}\0{stamp_of(path.stat())}"


def read_rows(container: str, wanted: Sequence[tuple[Location, int]]) -> Iterator[bytes | Unread]:
    """Texts of rows, in the order asked for; one row group is held at a time beside what was asked for."""
    places: dict[int, list[tuple[int, int, str]]] = {}
    for order, (location, _) in enumerate(wanted):
        number, index, column = location.member.split(":", 2)
        places.setdefault(int(number), []).append((int(index), order, column))
    found: list[bytes | Unread] = [Unread("unreadable")] * len(wanted)
    try:
        if wanted[0][0].stamp != stamp_of(Path(container).stat()):
            yield from (Unread("changed_while_reading") for _ in wanted)
            return
        with pq.ParquetFile(container, memory_map=False) as file:
            for group, rows in sorted(places.items()):
                column = rows[0][2]
                texts = file.read_row_group(group, columns=[column])[column]
                for row, order, _ in rows:
                    text = texts[row].as_py()
                    found[order] = text.encode() if isinstance(text, str) else text or b""
    except (*DAMAGE, IndexError, KeyError):
        pass
    yield from found
