"""The command `midspan`: every subcommand, and the one place where errors become a line and an exit code."""

import errno
import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer

import midspan
from midspan.cli import (
    build,
    calibrate,
    complete,
    data,
    doctor,
    eval,
    index,
    legs,
    plan,
    report,
    review,
    runs,
    serve,
    syntax,
)
from midspan.errors import MidspanError

app = typer.Typer(
    name="midspan",
    help="Code completion for the IDE: curate code, train a fill-in-the-middle model, measure it, serve it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

USER_ERROR = 2
TYPER_INTERRUPTED = 130
INTERRUPTED = "interrupted; what is done is kept, the same command goes on from there"
DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_MESSAGES = ("No space left on device", "Disk quota exceeded", "File too large")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(f"midspan {midspan.__version__}")
        raise typer.Exit


for module in (build, legs, data, eval, plan, runs, report, review, syntax, complete, calibrate, serve, index, doctor):
    module.register(app)


def main() -> None:
    """Entry point of the command line."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    return guarded(lambda: app(arguments, prog_name="midspan"))


def guarded(action: Callable[[], object]) -> int:
    """Call `action`; the exit code. Errors the user can mend become one line on stderr and code 2."""
    try:
        action()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
        return _fail(INTERRUPTED) if code == TYPER_INTERRUPTED else code
    except KeyboardInterrupt:
        return _fail(INTERRUPTED)
    except MidspanError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("midspan"):
            raise
        return _fail(f"this needs the package {error.name}; pip install 'midspan[train]'")
    except Exception as error:
        if not _is_disk_full(error):
            raise
        return _fail(
            f"the disk is full or a file limit is reached: {error}; free space, then run the same command again"
        )
    return 0


def _fail(message: str) -> int:
    for line in message.splitlines():
        print(f"midspan: {line}", file=sys.stderr)
    return USER_ERROR


def _is_disk_full(error: BaseException) -> bool:
    """Native libraries report a full disk as errors of their own kind, with the system's message inside."""
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return True
    return any(message in str(error) for message in DISK_MESSAGES)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
