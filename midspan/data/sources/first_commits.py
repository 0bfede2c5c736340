"""When each file of a git repository was first committed, whatever it was called then.

One `git log` with renames found is followed from the newest commit to the oldest. A path that was used before, removed
and used again counts from its first use.
"""

from datetime import date

from midspan.data.sources.commits import fields_of
from midspan.data.sources.git import open_revision
from midspan.recipe.sources import GitSource

_COMMIT = b"\x01"


def first_commits(source: GitSource) -> dict[str, date]:
    """Path at the source's revision -> day of the commit that added it. Fetches the whole history of a remote one.

    Paths that are gone at the revision may be in it too. Raises MidspanError if the repository cannot be had.
    """
    repository, commit = open_revision(source.url, source.revision, history=True)
    arguments = ("log", "-z", "--name-status", "--find-renames", "--diff-filter=AR", "--format=%x01%cs", commit)
    fields = fields_of(repository, arguments)
    found: dict[str, date] = {}
    later: dict[bytes, bytes] = {}
    day = date.max
    for field in fields:
        field = field.lstrip(b"\n")
        if field.startswith(_COMMIT):
            day = date.fromisoformat(field[1:].decode())
        elif field.startswith(b"R"):
            before, after = next(fields), next(fields)
            later[before] = later.get(after, after)
        elif field:
            path = next(fields)
            found[later.get(path, path).decode(errors="surrogateescape")] = day
    return found
