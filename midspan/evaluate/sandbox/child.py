"""The process in which one program runs: `python -I child.py FOLDER MEMORY SECONDS FILE_BYTES`.

Run as a script. Standard input holds a line with a nonce, then the program. The nonce goes to standard output when the
program has come to its end: leaving early, with whatever exit code, is no success. What the program itself prints to
standard output goes nowhere.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is slow to import

from confine import CannotConfine, confine, limit  # type: ignore[import-not-found]  # beside this script

UNCONFINED = b"unconfined"


def main() -> None:
    """Confine this process, then run the program."""
    folder, memory, seconds, file_bytes = sys.argv[1:]
    nonce, _, program = sys.stdin.buffer.read().partition(b"\n")
    verdict = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 0)
    os.chdir(folder)
    try:
        confine(folder)
    except CannotConfine:
        os.write(verdict, UNCONFINED)
        os._exit(1)
    limit(int(memory), int(seconds), int(file_bytes))
    sys.argv[1:] = []
    exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
    os.write(verdict, nonce)
    os._exit(0)


if __name__ == "__main__":
    main()
