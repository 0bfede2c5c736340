"""Programs that try to do harm, in the real sandbox."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from midspan.evaluate.sandbox.run import Limits, run_python

PATIENT = Limits(seconds=60)
"""For programs that end by themselves, however busy the machine."""


def test_a_program_that_reaches_its_end_passes():
    assert run_python("assert sum(range(4)) == 6\nprint('out')", PATIENT).verdict == "passed"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("assert 1 == 2, 'not so'", "AssertionError: not so"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(0)", "code 0"),
        ("import os; os._exit(0)", "code 0"),
        ("raise SystemExit", "code 0"),
        ("x = 'a' * 10**10", "MemoryError"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError: maximum recursion depth exceeded"),
        ("import os, signal; os.abort()", ""),
    ],
)
def test_what_does_not_reach_its_end_fails(program, message):
    outcome = run_python(program, Limits(60, memory=500_000_000))
    assert outcome.verdict == "failed"
    assert message in outcome.message


def test_a_program_that_does_not_end_is_ended():
    assert run_python("while True: pass", Limits(seconds=0.5)).verdict == "timeout"
    assert run_python("import threading\nthreading.Event().wait()", Limits(seconds=0.5)).verdict == "timeout"


def test_a_flood_of_output_is_no_flood_here():
    flood = (
        "import os\nfor fd in range(3, 64):\n  try:\n    while True: os.write(fd, b'x' * 65536)\n  except OSError: pass"
    )
    assert run_python(flood, Limits(seconds=0.5)).verdict == "timeout"
    assert (
        run_python("import sys\nwhile True: sys.stderr.write('x' * 65536)", Limits(60, file_bytes=100_000)).verdict
        == "failed"
    )


@pytest.mark.parametrize("family", ["AF_INET, socket.SOCK_STREAM", "AF_INET, socket.SOCK_DGRAM", "AF_UNIX", "AF_INET6"])
def test_no_network(family):
    outcome = run_python(f"import socket\nsocket.socket(socket.{family})", PATIENT)
    assert outcome.message == "PermissionError: [Errno 1] Operation not permitted"


def test_no_connection_arrives():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run_python(f"import socket\nsocket.create_connection(('127.0.0.1', {port}))", PATIENT)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.system('true') == 0 or exit(1)",
        "import multiprocessing as m; p = m.Process(target=print); p.start(); p.join()",
    ],
)
def test_no_other_process(program):
    assert run_python(program, PATIENT).verdict == "failed"


def test_threads_are_allowed():
    program = "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()"
    assert run_python(program, PATIENT).verdict == "passed"


def test_no_signal_reaches_us():
    arrived = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: arrived.set())
    try:
        outcome = run_python(f"import os, signal\nos.kill({os.getpid()}, signal.SIGUSR1)", PATIENT)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert outcome.message == "PermissionError: [Errno 1] Operation not permitted"
    assert not arrived.is_set()


@pytest.mark.parametrize(
    "act",
    [
        "open({0!r} + '/new', 'w')",
        "open({0!r} + '/precious', 'w')",
        "open({0!r} + '/precious', 'a')",
        "os.remove({0!r} + '/precious')",
        "os.truncate({0!r} + '/precious', 0)",
        "os.mkdir({0!r} + '/folder')",
        "os.rename({0!r} + '/precious', {0!r} + '/other')",
        "os.rename({0!r} + '/precious', 'here')",
        "os.symlink('/etc', {0!r} + '/link')",
        "shutil.rmtree({0!r})",
    ],
)
def test_no_file_outside_changes(tmp_path: Path, act):
    (tmp_path / "precious").write_text("precious")
    outcome = run_python(f"import os, shutil\n{act.format(str(tmp_path))}", PATIENT)
    assert outcome.verdict == "failed" and "Error" in outcome.message
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious").read_text() == "precious"


def test_its_own_folder_is_empty_writable_and_removed(tmp_path: Path):
    program = (
        "import os\nassert os.listdir() == []\nopen('f', 'w').write(os.getcwd())\nraise Exception(open('f').read())"
    )
    folder = run_python(program, PATIENT).message.removeprefix("Exception: ")
    assert "midspan-sandbox-" in folder and not Path(folder).exists()


def test_a_file_cannot_grow_without_bound():
    outcome = run_python("open('file', 'wb').write(b'x' * 10**6)", Limits(60, file_bytes=1_000))
    assert outcome.message == "OSError: [Errno 27] File too large"


def test_the_environment_stays_outside(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_USER", "s3cr3t")
    assert run_python("import os\nassert 'SECRET_OF_THE_USER' not in os.environ", PATIENT).verdict == "passed"
