"""What a process gives up before it runs code nobody has read. Linux; standard library only, so that starting is quick.

Three layers of the kernel, none of which can be taken back:

- resource limits: processor time, memory, size and number of files;
- Landlock (kernel 5.13 and newer): files are written, made and removed below one folder only;
- seccomp: no sockets of any kind, no other process started, traced or signalled. A forbidden call fails with EPERM.

What stays possible is reading files that the user may read: without a socket nothing of it can leave.
"""

import ctypes
import os
import platform
import resource
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_VERSION = 1
LANDLOCK_PATH_BENEATH = 1
WRITE_RIGHTS = {1: 0b1_1111_1111_0010, 2: 0b11_1111_1111_0010, 3: 0b111_1111_1111_0010}
"""By version of Landlock: every right but to execute, to read a file and to list a folder."""

EPERM, ENOSYS = 1, 38
CLONE_THREAD = 0x10000
FORBIDDEN = {
    "x86_64": {
        "arch": 0xC000003E,
        "calls": (41, 53, 57, 58, 59, 322, 62, 200, 234, 424, 101, 310, 311, 425, 165, 272, 308),
        "clone": 56,
        "clone3": 435,
    },
    "aarch64": {
        "arch": 0xC00000B7,
        "calls": (198, 199, 221, 281, 129, 130, 131, 424, 117, 270, 271, 425, 40, 97, 268),
        "clone": 220,
        "clone3": 435,
    },
}
"""Numbers of socket, socketpair, fork, vfork, execve, execveat, kill, tkill, tgkill, pidfd_send_signal, ptrace,
process_vm_readv and _writev, io_uring_setup, mount, unshare and setns, where the architecture has them."""


class CannotConfine(Exception):
    """This kernel or architecture lacks what the confinement needs."""


def limit(memory: int, seconds: int, file_bytes: int) -> None:
    """Bound the process: `memory` in bytes of address space, `seconds` of processor time, `file_bytes` per file."""
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def confine(folder: str) -> None:
    """Give up writing outside `folder`, the network and other processes. Raises CannotConfine, and then did nothing."""
    rules = FORBIDDEN.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION)
    if rules is None or version < 1:
        raise CannotConfine
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _write_below(libc, folder, WRITE_RIGHTS[min(version, max(WRITE_RIGHTS))])
    _forbid(libc, rules)


def _write_below(libc: ctypes.CDLL, folder: str, rights: int) -> None:
    handled = ctypes.create_string_buffer(struct.pack("=Q", rights))
    ruleset = _checked(libc.syscall(LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(8), 0))
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    beneath = ctypes.create_string_buffer(struct.pack("=Qi", rights, parent))
    _checked(libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_PATH_BENEATH, beneath, 0))
    _checked(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0))
    os.close(parent)
    os.close(ruleset)


def _forbid(libc: ctypes.CDLL, rules: dict[str, object]) -> None:
    """Install a seccomp filter: one instruction of 8 bytes each (code, jump if true, jump if false, value)."""
    load, equal, masked, answer = 0x20, 0x15, 0x45, 0x06
    allow, kill = 0x7FFF0000, 0x80000000
    refuse, unknown = 0x00050000 | EPERM, 0x00050000 | ENOSYS
    calls = rules["calls"]
    assert isinstance(calls, tuple)
    program = [(load, 0, 0, 4), (equal, 1, 0, rules["arch"]), (answer, 0, 0, kill), (load, 0, 0, 0)]
    for call in calls:
        program += [(equal, 0, 1, call), (answer, 0, 0, refuse)]
    # The C library falls back to clone, whose flags can be looked at: a thread is allowed, a process is not.
    program += [(equal, 0, 1, rules["clone3"]), (answer, 0, 0, unknown)]
    program += [(equal, 0, 3, rules["clone"]), (load, 0, 0, 16), (masked, 1, 0, CLONE_THREAD), (answer, 0, 0, refuse)]
    program.append((answer, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    header = ctypes.create_string_buffer(struct.pack("=H6xQ", len(program), ctypes.addressof(code)))
    _checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
