"""The system calls a candidate program may not make, as a filter the kernel runs (seccomp BPF).

Namespaces hide files, processes and networks. What they do not hide is refused here: the kernel's key rings (inherited, may hold
secrets), sockets of families that no network namespace cuts off (vsock reaches the host of a virtual machine), memory
that belongs to no process or can be held unmapped, and so escapes the memory limit, new namespaces, the descriptors of other
processes, and parts of the kernel known for holes.
"""

from __future__ import annotations

import errno
import platform
import struct

# name: (x86_64, aarch64), from the kernel's syscall tables; None where an architecture lacks the call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "modify_ldt": (154, None),
}
SOCKET = (41, 198)
CLONE = (56, 220)
CLONE3 = 435
MMAP = (9, 222)
SHARED, ANONYMOUS = 0x01, 0x20  # flags of mmap; MAP_SHARED_VALIDATE holds the first too
FAMILIES = (1, 2, 10)  # unix, inet, inet6: cut off by the network namespace
NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone takes

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data, little-endian.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _FOURTH_ARGUMENT = 0, 4, 16, 40
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000


def seccomp_filter(machine: str | None = None) -> bytes | None:
    """Return the filter as an array of ``struct sock_filter``; null for a processor whose calls are not listed here."""
    column, audit = ARCHITECTURES.get(machine or platform.machine(), (0, 0))
    if not audit:
        return None
    refused = [number for numbers in REFUSED.values() if (number := numbers[column]) is not None]
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, audit, 1, 0),
        _line(_RETURN, _KILL),  # 32-bit calls have other numbers
        _line(_LOAD, _NUMBER),
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, _KILL),
    ]
    for number in refused:
        lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ERRNO | errno.EPERM)]
    # clone3 hides its flags behind a pointer: where it is unknown the C library falls back to clone.
    lines += [_line(_EQUAL, CLONE3, 0, 1), _line(_RETURN, _ERRNO | errno.ENOSYS)]
    lines += [
        _line(_EQUAL, CLONE[column], 0, 4),
        _line(_LOAD, _FIRST_ARGUMENT),
        _line(_ANY_BIT, NEW_NAMESPACES, 0, 1),
        _line(_RETURN, _ERRNO | errno.EPERM),
        _line(_RETURN, _ALLOW),
        _line(_EQUAL, MMAP[column], 0, 5),
        _line(_LOAD, _FOURTH_ARGUMENT),
        _line(_ANY_BIT, ANONYMOUS, 0, 2),
        _line(_ANY_BIT, SHARED, 0, 1),
        _line(_RETURN, _ERRNO | errno.EPERM),
        _line(_RETURN, _ALLOW),
        _line(_EQUAL, SOCKET[column], 0, 5),
        _line(_LOAD, _FIRST_ARGUMENT),
        *(_line(_EQUAL, family, 4 - place, 0) for place, family in enumerate(FAMILIES, 1)),
        _line(_RETURN, _ERRNO | errno.EAFNOSUPPORT),
        _line(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
