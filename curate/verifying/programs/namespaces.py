"""Run a command in new namespaces with a root of its own: the sandbox where bubblewrap cannot be used.

    namespaces.py PARENT FILTER TMP_BYTES (bind SOURCE PLACE | link TARGET PLACE)... run COMMAND...

Started as a script by ``sandbox``, for every program anew, so it loads no module that it can do without. PARENT is the process whose end is
the end of this one, FILTER a file descriptor of the system call filter. Needs Linux 5.12 (mount_setattr).

Three processes: this one waits outside, the first one inside reaps (its end is the end of all inside), the second becomes the command.
"""

from __future__ import annotations

# pathlib and typing take longer to load than the interpreter.
# ruff: noqa: PTH102, PTH103, PTH112, PTH120, PTH123, PTH211
import ctypes
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)

NEW_USER = 0x10000000
NEW_OTHERS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # mnt cgroup uts ipc pid net
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 2, 4, 8, 4096, 16384, 1 << 18, 2
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 24, 38
SIGKILL = 9
NOBODY = 65534
NEW_ROOT = "/sys"  # exists everywhere, and no interpreter lies in it
# No /dev/zero: mapped, it is shared memory.
DEVICES = [["bind", f"/dev/{name}", f"/dev/{name}"] for name in ("null", "full", "random", "urandom")]
DEVICES += [["link", "/proc/self/fd", "/dev/fd"], ["link", "/proc/self/fd/0", "/dev/stdin"]]


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library; raises OSError with its name where it fails."""
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, place: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """Mount, or bind where ``kind`` is null."""
    texts = [text.encode() if text is not None else None for text in (source, place, kind, options)]
    call("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def read_only(place: str, flags: int = AT_RECURSIVE) -> None:
    """Make a mount, and by default those below it, read-only."""
    wanted = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
    call("syscall", ctypes.c_long(MOUNT_SETATTR), AT_FDCWD, place.encode(), flags, wanted, ctypes.c_size_t(32))


def bind(source: str, place: str) -> None:
    """Show a file or folder of the host, read-only, at ``place`` of the new root."""
    at = NEW_ROOT + place
    if os.path.isdir(source):
        os.makedirs(at, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(at), exist_ok=True)
        os.close(os.open(at, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, at, None, MS_BIND | MS_REC)
    read_only(at)


def write(path: str, text: str) -> None:
    """Write a text to a file of the kernel's."""
    with open(path, "w") as file:
        file.write(text)


def build_root(shown: list[list[str]], tmp_bytes: str) -> None:
    """Make a root of nothing but what is shown, a few devices, /proc and a /tmp of ``tmp_bytes``, and leave the old one."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for how, source, place in [*shown, *DEVICES]:
        if how == "bind":
            bind(source, place)
        else:
            os.symlink(source, NEW_ROOT + place)
    for folder in ("proc", "tmp"):
        os.mkdir(f"{NEW_ROOT}/{folder}")
    mount("proc", f"{NEW_ROOT}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    room = f"mode=1777,size={tmp_bytes},nr_inodes=4096"
    mount("tmpfs", f"{NEW_ROOT}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, room)
    read_only(NEW_ROOT, 0)
    os.chdir(NEW_ROOT)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/tmp")


def new_user() -> None:
    """Enter a user namespace in which the user is nobody. It also counts processes apart from those of the host."""
    user, group = os.geteuid(), os.getegid()
    call("unshare", NEW_USER)
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self belongs to root
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    write("/proc/self/gid_map", f"{NOBODY} {group} 1")


def leave_root() -> None:
    """Become nobody: root is exempt from the limit on processes."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    new_user()


def give_up_power() -> None:
    """Drop every capability for good."""
    for capability in range(64):
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    call("capset", header, none)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def install_filter(descriptor: int) -> None:
    """Let the kernel refuse the calls that the filter refuses."""

    class Program(ctypes.Structure):
        _fields_ = (("count", ctypes.c_ushort), ("lines", ctypes.c_char_p))

    lines = os.pread(descriptor, 1 << 16, 0)
    os.close(descriptor)
    call("prctl", PR_SET_SECCOMP, 2, ctypes.byref(Program(len(lines) // 8, lines)), 0, 0)


def wait_for(process: int) -> int:
    """Reap whatever ends until ``process`` does; return its exit code, 128 + the signal where one ended it."""
    while True:
        ended, status = os.wait()
        if ended == process:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def inside(arguments: list[str], as_root: bool, alive: int) -> int:
    """Build the sandbox as its first process, run the command in it, and return its exit code."""
    filter_, tmp_bytes, *rest = arguments
    run = rest.index("run")
    build_root([rest[at : at + 3] for at in range(0, run, 3)], tmp_bytes)
    if as_root:
        leave_root()
    give_up_power()
    call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # after the last change of user, which clears it
    if select.select([alive], [], [], 0)[0]:
        return 1  # the process outside was gone before that
    os.close(alive)
    # Before the fork, and no dump: else the command, which has the same user, could write to the memory of this process.
    install_filter(int(filter_))
    call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    command = os.fork()
    if command == 0:
        os.execv(rest[run + 1], rest[run + 1 :])
    return wait_for(command)


def main() -> int:
    """Enter the namespaces, run the command, return its exit code."""
    parent, *arguments = sys.argv[1:]
    call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return 1
    as_root = os.geteuid() == 0
    if not as_root:
        new_user()
    call("unshare", NEW_OTHERS)
    call("sethostname", b"sandbox", ctypes.c_size_t(7))
    alive, held = os.pipe()
    first = os.fork()
    if first:
        os.close(alive)
        return wait_for(first)
    os.close(held)
    return inside(arguments, as_root, alive)


if __name__ == "__main__":
    try:
        code = main()
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        code = 1
    os._exit(code)
