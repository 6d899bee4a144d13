"""Faults at system calls, by strace: a program is killed at its Nth call, or that call fails.

A point names a call and its number among the calls of that name, as strace counts them in
inject=CALL:when=NUMBER (for each process on its own). SIGKILL arrives at the entry of the call,
which is then not carried out; an injected error replaces the call.
"""

import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass

LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)")
NEVER_RETURN = ("exit", "exit_group", "execve", "rt_sigreturn")
KINDS = ("KILL", "EIO", "ENOSPC", "EINTR")


@dataclass(frozen=True)
class Point:
    call: str
    number: int
    place: int  # in the clean trace, counted from 0
    text: str  # of the call there

    def __str__(self):
        return f"{self.call}#{self.number} ({self.text[:60].strip()})"


@dataclass(frozen=True)
class Fault:
    point: Point
    kind: str  # of KINDS

    def option(self):
        what = "signal=KILL" if self.kind == "KILL" else f"error={self.kind}"
        return f"inject={self.point.call}:{what}:when={self.point.number}"

    def forbids_success(self):
        """True when nothing may be acknowledged: a sync that failed promises nothing, although the
        message is still there to be seen as long as the machine runs."""
        return self.kind in ("EIO", "ENOSPC") and self.point.call in ("fsync", "fdatasync")

    def happened(self, trace):
        """True when TRACE shows that the fault was carried out."""
        return ("killed by SIGKILL" if self.kind == "KILL" else "(INJECTED)") in trace

    def __str__(self):
        return f"{self.kind} at {self.point}"


def tracer(trace_path, *options, user=None):
    """The beginning of a command line; as root USER is who the traced program runs as."""
    command = ["strace", "-f", "-qq", "-o", str(trace_path)]
    if user and os.geteuid() == 0:
        command += ["-u", user]
    for option in options:
        command += ["-e", option]
    return command


def calls_of(trace):
    """(process, call, text) of each system call in TRACE, in order."""
    return [(*found.groups(),) for found in map(LINE.match, trace.splitlines()) if found]


def points_of(trace):
    """The points of a clean TRACE. Where several processes make a call equally often, the fault
    hits each of them at that number."""
    counts, points, known = Counter(), [], set()
    for place, (process, call, text) in enumerate(calls_of(trace)):
        counts[process, call] += 1
        number = counts[process, call]
        if call != "execve" and (call, number) not in known:
            known.add((call, number))
            points.append(Point(call, number, place, text))
    return points


def faults_of(points, kinds=KINDS):
    """Every kind at every point, but no error where a call cannot fail."""
    return [
        Fault(point, kind)
        for kind in kinds
        for point in points
        if kind == "KILL" or point.call not in NEVER_RETURN
    ]


def last_place(points, call):
    """Where CALL was made last in the clean trace."""
    return max(point.place for point in points if point.call == call)


def environment(sandbox):
    """The filters see the calls that strace replaces as unknown ones: without them (EKIDEN_SANDBOX)
    errors reach the program."""
    return {**os.environ, "EKIDEN_SANDBOX": "on" if sandbox else "off"}


class Attached:
    """strace attached to running processes: `with Attached(...) as tracing:`."""

    def __init__(self, pids, trace_path, *options):
        self.trace_path = trace_path
        self.command = ["strace", "-f", "-o", str(trace_path)]
        for option in options:
            self.command += ["-e", option]
        for pid in pids:
            self.command += ["-p", str(pid)]
        self.pids = pids

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        waiting, said = set(map(str, self.pids)), ""
        while waiting:
            line = self.process.stderr.readline()
            said += line
            if not line:
                raise RuntimeError(f"strace did not attach: {said}")
            if found := re.search(r"Process (\d+) attached", line):
                waiting.discard(found.group(1))
        return self

    def trace(self):
        return self.trace_path.read_text(errors="replace")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()
