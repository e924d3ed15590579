"""The probe: a program that tries, in a sandbox, what a candidate must not be able to do, and reports what it could."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

from curate.verifying.programs.confined import PROCESSES, fault, run
from curate.verifying.programs.sandbox import ENVIRONMENT, Sandbox
from curate.verifying.programs.watch import Allowed

PROGRAM = r"""
import ctypes, json, mmap, os, resource, socket, time
told = json.loads(input())
could = []

def attempt(what, act):
    try:
        if act() is not False:
            could.append(what)
    except (OSError, AttributeError):
        pass

for folder in told["folders"]:  # whether it got there is seen from outside
    try:
        os.close(os.open(os.path.join(folder, told["name"]), os.O_CREAT | os.O_WRONLY))
    except OSError:
        pass

for path in told["secrets"]:
    attempt(f"read {path}", lambda: open(path).close())
for family, address in (("AF_INET", ("127.0.0.1", told["port"])), ("AF_UNIX", "\0" + told["name"])):
    attempt(f"connect by {family}", lambda: socket.socket(getattr(socket, family)).connect(address))
attempt("use sockets of virtual machines", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("see the home folder", lambda: told["home"] != "/" and len(os.listdir(told["home"])) > 1)
attempt("see the environment", lambda: bool(set(os.environ) - set(told["environment"]) - {"PWD", "LC_CTYPE"}))
attempt("see other processes", lambda: sum(name.isdigit() for name in os.listdir("/proc")) > 3)
attempt("write to the memory of process 1", lambda: os.close(os.open("/proc/1/mem", os.O_RDWR)))
attempt("make a user namespace", lambda: ctypes.CDLL(None).unshare(0x10000000) == 0)
status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
attempt("keep capabilities", lambda: int(status["CapEff"], 16) != 0)
attempt("gain privileges", lambda: status["NoNewPrivs"].strip() != "1")
attempt("use any system call", lambda: status["Seccomp"].strip() != "2")
attempt("use any amount of memory", lambda: resource.getrlimit(resource.RLIMIT_AS)[1] == resource.RLIM_INFINITY)
attempt("share memory that is not counted", lambda: mmap.mmap(-1, 4096))
attempt("share memory through /dev/zero", lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096))

children = []

def fork():
    for _ in range(told["processes"] + 1):
        child = os.fork()
        if child == 0:
            time.sleep(60)
        children.append(child)
    return True

attempt("start any number of processes", fork)
for child in children:
    os.kill(child, 9)
open("mine", "w").close()
print(json.dumps(could))
"""


def escapes(sandbox: Sandbox) -> list[str]:
    """Return what the probe could do in a sandbox that it must not, or why it could not run; empty where all holds.

    Raises VerifierError where the sandbox does not start.
    """
    name = f"curate-probe-{secrets.token_hex(8)}"
    home = os.path.expanduser("~")  # noqa: PTH111  (never raises)
    folders = ["/", "/usr/lib", "/dev/shm", "/var/tmp", tempfile.gettempdir(), home, str(Path.cwd()), sys.base_prefix]
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        told = {
            "name": name,
            "folders": folders,
            "home": home,  # one entry may lead to the interpreter
            "secrets": ["/etc/passwd", "/etc/hostname", f"/proc/{os.getpid()}/environ"],
            "port": listener.getsockname()[1],
            "environment": list(ENVIRONMENT),
            "processes": PROCESSES,
        }
        ran = run(sandbox, PROGRAM, Allowed(10.0, 512), json.dumps(told))
    written = [folder for folder in folders if _removed(Path(folder, name))]
    problem = fault(ran)
    if problem:
        return [f"the probe failed ({problem})"]
    return [f"a program could {what}" for what in [*json.loads(ran.stdout), *(f"write to {each}" for each in written)]]


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
