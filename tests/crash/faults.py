"""Faults at system calls: one counter over all processes of a command, and one fault at a number.

fault.c counts, strikes and writes a trace. A Subject runs something under it, again and again, and
says what must hold afterwards; `sweep` has every fault that can happen at every number happen once.
A run is not always like the one before (processes take turns as they like): what counts is the call
that was hit, not the one that was meant.
"""

import math
import os
import pwd
import socket
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rows import Broken, Row

KILLS = ("kill-before", "kill-after", "kill-all-before", "kill-all-after")
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR", "EAGAIN", "EMFILE", "ENOMEM")
SHORTS = ("short-half", "short-one")
# What makes a step durable, or tells others of it.
STEPS = ("fsync", "fdatasync", "rename", "renameat", "renameat2", "linkat", "link", "unlink",
         "unlinkat", "pwrite64", "ftruncate")
SYNCS = ("fsync", "fdatasync")
BAD_SIGNALS = {"4": "SIGILL", "6": "SIGABRT", "7": "SIGBUS", "11": "SIGSEGV", "31": "SIGSYS"}
MISSES = 3  # numbers in a row that no run reaches: the end
DRAFT_SECONDS = 36 * 3600  # MAILDIR_OLD_SECONDS in deliver/maildir.h
LONGER = 2  # times the clean run, at most
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Point:
    """A call of a clean run."""

    number: int
    role: str  # the process's name
    call: str
    about: str
    kinds: tuple  # the faults that it can have

    @property
    def place(self):
        return self.role, self.call, self.about

    def __str__(self):
        return f"{self.number}: {self.role} {self.call} {self.about}".strip()


@dataclass(frozen=True)
class Fault:
    number: int
    kind: str
    place: tuple = ()  # then NUMBER counts the calls there only

    def options(self):
        where = ["-p", "\t".join(self.place)] if self.place else []
        return ["-n", str(self.number), "-f", self.kind, *where]

    def by_place(self, points):
        """The same fault, found by where it is among POINTS and not by its number."""
        (meant,) = (point for point in points if point.number == self.number)
        number = sum(1 for point in points
                     if point.number <= self.number and point.place == meant.place)
        return Fault(number, self.kind, meant.place)


@dataclass
class Trace:
    """What fault.c wrote."""

    path: Path
    points: list = field(default_factory=list)
    struck: Point = None
    kind: str = ""
    died: list = field(default_factory=list)  # (role, signal) that were not ours
    count: int = 0

    def read(self):
        for line in self.path.read_text(errors="replace").splitlines():
            what, *fields = line.split("\t")
            if what == "call" and len(fields) == 5:
                self.points.append(Point(int(fields[0]), *fields[1:4], tuple(fields[4].split(","))))
            elif what == "hit":
                self.struck, self.kind = Point(int(fields[0]), *fields[1:4], ()), fields[4]
            elif what == "died":
                self.died.append(tuple(fields))
            elif what == "end":
                self.count = int(fields[0])
        return self

    @property
    def killed(self):
        return self.struck is not None and self.kind in KILLS

    def forbids_success(self):
        """True when nothing may be acknowledged: a sync that failed promises nothing, although the
        message is still there to be seen as long as the machine runs."""
        failed = self.kind in ("EIO", "ENOSPC", "EDQUOT")
        return self.struck is not None and failed and self.struck.call in SYNCS

    def crashes(self):
        """A fault of the machine is no reason to die by a signal."""
        return [Broken("other", f"{self}: {role} died of {BAD_SIGNALS[number]}")
                for role, number in self.died if number in BAD_SIGNALS]

    def __str__(self):
        return f"{self.kind} at {self.struck}" if self.struck else "no fault"


def tracer(path, fault=None, user=None, control=None):
    """The beginning of a command line. USER: whom the command runs as, when the caller is root."""
    build = ROOT / os.environ.get("EKIDEN_BUILD", "build")
    line = [str(build / "crash" / "fault"), "-t", str(path)]
    if user and os.geteuid() == 0:
        who = pwd.getpwnam(user)
        line += ["-u", f"{who.pw_uid}:{who.pw_gid}"]
    if fault:
        line += fault.options()
    if control is not None:
        line += ["-c", str(control)]
    return [*line, "--"]


class Subject:
    """What is run under faults."""

    name = ""
    single = False  # one process: to kill it is to kill all

    def attempt(self, fault):
        """One run, with FAULT unless it is None, and what a supervisor would do afterwards.
        Returns (Trace, complaints)."""
        raise NotImplementedError

    def settle(self):
        """Lets all that is left come to its end, and compares with the ledger: complaints."""
        return []


# --- which faults ---


def faults_of(points, kinds, single):
    return [
        Fault(point.number, kind)
        for point in points
        for kind in point.kinds
        if kind in kinds and not (single and "all" in kind)
    ]


class Every:
    """Every fault of KINDS at every call; also beyond the end of the clean run."""

    def __init__(self, kinds=(*KILLS, *ERRORS, *SHORTS), calls=None):
        self.kinds, self.calls = kinds, calls

    def choose(self, points, single):
        chosen = [point for point in points if not self.calls or point.call in self.calls]
        return faults_of(chosen, self.kinds, single)

    def goes_on(self):
        return self.calls is None


class Allocations(Every):
    """Every allocation fails: for the programs in crash/malloc."""

    def __init__(self):
        super().__init__(("ENOMEM",), ("malloc",))


class Sample(Every):
    """The short form: one fault at every STRIDE-th call, and at every STEPS-th of the durable steps
    one kill and one error."""

    def __init__(self, stride, steps=1):
        super().__init__()
        self.stride, self.steps = stride, steps

    def choose(self, points, single):
        durable = [point for point in points if point.call in STEPS]
        chosen = faults_of(durable[:: self.steps], ("kill-before", "EIO"), single)
        for turn, point in enumerate(points[:: self.stride]):
            possible = faults_of([point], self.kinds, single)
            chosen += possible[turn % len(possible) :][:1] if possible else []
        return list(dict.fromkeys(chosen))

    def goes_on(self):
        return False


# --- the sweep ---


@dataclass
class Tally:
    name: str
    possible: int = 0  # what the plan had, if there had been time
    hit: Counter = field(default_factory=Counter)  # (role, call, about, kind)
    missed: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    seconds: float = 0

    def note(self, fault, trace, wrong):
        if trace.struck:
            self.hit[*trace.struck.place, trace.kind] += 1
        else:
            self.missed.append(fault)
        self.wrong += [*wrong, *trace.crashes()]

    def merge(self, other):
        """OTHER is of another share of the same faults, tried at the same time."""
        self.possible += other.possible
        self.hit += other.hit
        self.missed += other.missed
        self.wrong += other.wrong
        self.seconds = max(self.seconds, other.seconds)

    def row(self):
        made = Row(self.name, sum(self.hit.values()), len(self.hit), seconds=self.seconds)
        return made.count(self.wrong)


def clean_points(subject):
    """Two runs without a fault; the first one makes what is made once."""
    for _ in range(2):
        trace, wrong = subject.attempt(None)
        assert trace.points and not wrong, f"{subject.name}: without a fault: {wrong}"
    return trace.points


def spread(faults):
    """FAULTS in an order in which any beginning is spread over the whole."""
    step = int(len(faults) * 0.618) or 1
    while math.gcd(step, len(faults)) > 1:
        step += 1
    return [faults[index * step % len(faults)] for index in range(len(faults))]


def in_order(faults, points):
    """First one fault of each place and kind, which is what `distinct` counts, then the others."""
    places = {point.number: point.place for point in points}
    first = {(places[fault.number], fault.kind): fault for fault in reversed(faults)}
    chosen = set(first.values())
    return spread([*first.values()]) + spread([fault for fault in faults if fault not in chosen])


def strike(tally, subject, faults, points, is_late, log):
    """Each of FAULTS once."""
    for fault in faults:
        if is_late():
            return
        trace, wrong = subject.attempt(fault)
        if not trace.struck:
            tally.wrong += wrong
            trace, wrong = subject.attempt(fault.by_place(points))
        tally.note(fault, trace, wrong)
        if log and wrong:
            log(wrong)


def go_on(tally, subject, number, is_late):
    """Beyond the clean run's last call NUMBER, until no run has so many."""
    misses, longest = 0, LONGER * number
    while misses < MISSES and number < longest and not is_late():
        number += 1
        trace, wrong = subject.attempt(Fault(number, "kill-before"))
        misses = 0 if trace.struck else misses + 1
        if trace.struck:
            tally.note(None, trace, wrong)


def sweep(subject, plan=None, seconds=None, log=None, points=None, share=(0, 1)):
    """Tries the faults that PLAN chooses, for SECONDS at most. POINTS: those of a clean run that was
    made elsewhere. SHARE: every so-manieth fault (of how many shares). Returns a Tally."""
    plan, start = plan or Every(), time.monotonic()
    own = clean_points(subject)  # also makes what is made once
    points, (at, shares) = points or own, share
    faults = in_order(plan.choose(points, subject.single), points)[at::shares]
    tally = Tally(subject.name, len(faults))

    def is_late():
        return seconds is not None and time.monotonic() - start > seconds

    strike(tally, subject, faults, points, is_late, log)
    if plan.goes_on() and at == 0:
        go_on(tally, subject, points[-1].number, is_late)
    tally.wrong += subject.settle()
    tally.seconds = time.monotonic() - start
    return tally


# --- running ---


def age_drafts(mail):
    """What killed deliveries left in the tmp/ of Maildirs below the folder MAIL becomes so old that
    the next delivery there removes it. Returns how much there was."""
    old, drafts = time.time() - DRAFT_SECONDS - 3600, list(mail.glob("*/Maildir/tmp/*"))
    for path in drafts:
        os.utime(path, (old, old))
    return len(drafts)


def environment(sandbox=True):
    """EKIDEN_SANDBOX=off: without the programs' filters and fences."""
    return {**os.environ, "EKIDEN_SANDBOX": "on" if sandbox else "off"}


class Control:
    """The other end of `fault -c`."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(60)
        self.last, self.since = None, time.monotonic()

    def started(self):
        """The command has inherited its end."""
        self.theirs.close()
        return self

    def ask(self, line):
        """The count of the system calls so far; None when `fault` has ended."""
        try:
            self.ours.sendall(line.encode())
            return int(self.ours.recv(64))
        except (OSError, ValueError):
            return None

    def arm(self, path, fault=None):
        """Begins a new trace at PATH, and counts anew towards FAULT."""
        number, kind, place = (fault.number, fault.kind, fault.place) if fault else (0, "none", ())
        return self.ask("\t".join([f"{number} {kind} {path}", *place]) + "\n")

    def is_idle(self, seconds=0.3):
        """True when no system call has been made for SECONDS; for a loop that asks again."""
        count, now = self.ask("?\n"), time.monotonic()
        if count != self.last:
            self.last, self.since = count, now
        return now - self.since > seconds

    def close(self):
        self.ours.close()


def run(command, patience, **options):
    """subprocess.run that knows what hangs. Returns the exit code; None after PATIENCE seconds."""
    with subprocess.Popen(command, **options) as process:
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None


