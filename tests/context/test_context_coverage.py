"""The strategy `coverage`: it looks for what the file lacks, and does not bring the same names twice."""

from context_samples import WordEncoder

from midspan.context.project import Chunk, File, Project
from midspan.context.similarity import WINDOW_LINES
from midspan.context.strategies import rank

SESSION = "def open_session(config, retries):\n    client = connect(config)\n"
FILLER = "".join(f"unrelated_{number} = {number}\n" for number in range(60))


def ranked(files: dict[str, str], prefix: str, suffix: str = "", token_budget: int = 200) -> list[Chunk]:
    project = Project.of("p", [File(path, text) for path, text in files.items()])
    return rank(project, "app/main.py", prefix, suffix, "coverage", encoder=WordEncoder(), token_budget=token_budget)


def test_the_second_choice_is_not_a_copy_of_the_first() -> None:
    files = {
        "a.py": SESSION + "    client.handshake(retries)\n",
        "copy_of_a.py": SESSION + "    client.handshake(retries)\n",
        "b.py": SESSION + "    client.login(password)\n    audit(client)\n",
        **{f"filler{number}.py": FILLER for number in range(5)},
    }
    chunks = ranked(files, SESSION, token_budget=20)
    assert [chunk.path for chunk in chunks[:2]] == ["b.py", "a.py"]
    assert "login, password, audit" in chunks[0].reason
    assert "handshake" in chunks[1].reason


def test_names_the_file_already_holds_are_worth_nothing() -> None:
    files = {
        "known.py": SESSION + "    client.handshake(retries)\n    client.login(password)\n",
        "new.py": SESSION + "    client.shutdown()\n",
        **{f"filler{number}.py": FILLER for number in range(5)},
    }
    fresh = ranked(files, SESSION)
    assert [chunk.path for chunk in fresh[:2]] == ["known.py", "new.py"]
    below = "x\n" + "\n" * 30 + "client.handshake(); client.login(password)\n"
    aware = ranked(files, SESSION, suffix=below)
    assert [chunk.path for chunk in aware[:2]] == ["new.py", "known.py"]
    assert aware[1].reason == "lines 1-4 bring no new name"


def test_a_distant_file_is_found_by_its_rare_words() -> None:
    common = {f"lib/part{number:03}.py": f"def part{number}(config):\n    return config\n" for number in range(300)}
    files = {**common, "zoo/very/far/away.py": FILLER + SESSION + "    client.handshake()\n"}
    [first, *_] = ranked(files, SESSION)
    assert first.path == "zoo/very/far/away.py"
    assert first.text.count("\n") <= WINDOW_LINES
    assert SESSION in first.text
