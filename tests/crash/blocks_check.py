"""One state of the disks: mounted, the real scheduler started on it as a supervisor would, and what
is in the mailboxes afterwards compared with what was promised before the crash."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from blocks_disk import ReplayDisk
from blocks_run import CONTROL, LATER, SINK, Positions, routes
from instance import DOMAIN, FIELD, PATIENCE, has_end_record
from ledger import TOKEN, Entry, Ledger
from remote import Sink
from rows import Broken

COPIES = 2  # one extra copy a crash and recipient
STARTS = 5
ENDED = ("done", "deferred", "bad", "gone", "set-aside")
MESSAGE_ID = re.compile(rb"^Message-ID: <([^>\n]+)>", re.M | re.I)
BOUNDARY = re.compile(rb'^Content-Type: multipart/report;(?:[^\n]*\n[ \t])*[^\n]*boundary="([^"]+)"',
                      re.M | re.I)  # fmt: skip
# The head of a queue file (doc/man/ekiden-queue-format.5): flags, sender, ENVID and RET, and then
# the recipients, each with NOTIFY and ORCPT.
QUEUED = re.compile(rb"ekiden1\0@\d+\0(?:[BUS]\0)*F[^\0]*\0(?:[VR][^\0]+\0)*"
                    rb"((?:[T+!-][^\0]+\0(?:[NO][^\0]+\0)*)+)\0")
QUEUE_END_SIZE = 81
NAME = re.compile(r"[0-9a-z]{20}")


@dataclass
class Outcome:
    """What was there once the queue had settled."""

    copies: Counter = field(default_factory=Counter)  # (token, box)
    reports: dict = field(default_factory=dict)  # (token, box) -> Counter of Message-IDs
    waiting: set = field(default_factory=set)  # (token, box), in the queue
    wrong: list = field(default_factory=list)
    extra: int = 0  # copies
    unfinished: int = 0  # files that were never acknowledged, left as they are
    set_aside: int = 0


def partial(where, octets):
    return Broken("partial", f"no whole message in {where}: {octets[:200]!r} {octets[-80:]!r}")


class Judge:
    """Knows what was promised at which moment of a run. A moment is a position of each log."""

    def __init__(self, folder, run, early=False):
        """EARLY: see the option of `blocks`."""
        self.run, self.positions, self.ledger = run, Positions(folder), Ledger()
        self.early = early
        for one in run.messages:
            self.ledger.entries[one.token.encode()] = Entry(one.body.encode(), one.label)
        self.taken = []  # (at least, at most, what)
        for when, recipients, octets in run.taken:
            what = Outcome()
            for recipient in recipients:
                self.add(what, recipient, octets.encode())
            bounds = self.positions.at_least(when), self.positions.at_most(when)
            self.taken.append((*bounds, what))

    def moments(self):
        """All that were seen, from the empty queue on. With one disk: each entry of its log."""
        begin = self.run.begin
        if self.run.disks == 1:
            return [(n,) for n in range(begin[0], self.positions.moments[-1][0] + 1)]
        return [one for one in self.positions.moments if all(n >= b for n, b in zip(one, begin))]

    def add(self, outcome, box, octets):
        """Notes that BOX has the message OCTETS."""
        if "@" in box:
            octets = octets.replace(b"\r\n", b"\n")
        boundary = BOUNDARY.search(octets)
        if boundary:
            token, name = TOKEN.search(octets), MESSAGE_ID.search(octets)
            whole = octets.endswith(b"--" + boundary.group(1) + b"--\n")
            if token and name and whole:
                key = token.group(1).decode(), box
                outcome.reports.setdefault(key, Counter())[name.group(1).decode()] += 1
            else:
                outcome.wrong.append(partial(f"{box}, a report", octets))
            return
        token = self.ledger.complete(octets)
        if token:
            outcome.copies[token.decode(), box] += 1
        else:
            outcome.wrong.append(partial(box, octets))

    def add_waiting(self, outcome, octets):
        """Notes that a message is still in the queue: for whom it waits there."""
        head = QUEUED.match(octets)
        token = head and self.ledger.complete(octets[head.end() : -QUEUE_END_SIZE])
        if not token:
            outcome.wrong.append(partial("the queue", octets))
            return
        for record in head.group(1).split(b"\0"):
            if record.startswith(b"T"):
                outcome.waiting.add((token.decode(), record[1:].decode().removesuffix(f"@{DOMAIN}")))

    def complaints(self, outcome, moment):
        """Every promise that OUTCOME breaks, when the power failed at MOMENT."""

        def is_before(position):
            return all(a <= b for a, b in zip(position, moment))

        surely, perhaps, reports = Counter(), Counter(), {}
        for at_least, at_most, what in self.taken:
            if is_before(at_least):
                perhaps.update(what.copies)
                for key, names in what.reports.items():
                    reports.setdefault(key, Counter()).update(names)
            if is_before(at_most):
                surely.update(what.copies)
        wrong, known, extra = list(outcome.wrong), set(), 0
        for one in self.run.messages:
            sent = is_before(self.positions.at_least(one.sent))
            acknowledged = sent and (
                self.early or is_before(self.positions.at_most(one.acknowledged))
            )
            for box in one.boxes:
                key = one.token, box
                known.add(key)
                found = outcome.copies[key]
                extra += max(found + surely[key] - 1, 0)
                waits = key in outcome.waiting and box.endswith(LATER)
                if acknowledged and not waits and found + perhaps[key] < 1:
                    wrong.append(Broken("lost", f"LOST for {box}: {one.label}"))
                if (found or waits) and not sent:
                    wrong.append(f"never sent, but it is there for {box}: {one.label}")
                if found + surely[key] > COPIES:
                    text = f"{found + surely[key]} copies for {box}: {one.label}"
                    wrong.append(Broken("doubled", text))
            key = one.token, one.report
            known.add(key)
            names = outcome.reports.get(key, Counter())
            before = reports.get(key, Counter())
            if one.report and acknowledged and not names and not before:
                wrong.append(Broken("lost", f"LOST, the report for {one.report}: {one.label}"))
            if names and not sent:
                wrong.append(f"never sent, but reported: {one.label}")
            if len(names) > COPIES or any(count > COPIES for count in names.values()):
                text = f"reports and their copies {names}: {one.label}"
                wrong.append(Broken("doubled", text))
        outcome.extra = extra
        strange = [key for key in (*outcome.copies, *outcome.reports) if key not in known]
        return wrong + [f"{box} has what is not its own: {token}" for token, box in strange]


class Bench:
    """Tries states of one recording. FOLDER takes its files; RECORDED is that of `record`."""

    def __init__(self, folder, recorded, run, programs, judge):
        self.folder, self.run, self.judge = Path(folder), run, judge
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.disks = [
            ReplayDisk(self.folder / f"disk{n}", Path(recorded) / f"disk{n}", run.fs)
            for n in range(run.disks)
        ]
        self.queue = self.disks[0].mounted / "queue"
        self.mail = self.disks[-1].mounted / "mail"
        self.slots = [self.queue / "wheel" / slot for slot in run.slots]
        self.all_slots = [self.queue / f"wheel/{slot:03}" for slot in range(512)]
        self.sink = Sink(SINK).__enter__()
        control = self.folder / "control"
        control.mkdir()
        for name, text in {**CONTROL, "smtproutes": routes(self.sink.port, SINK)}.items():
            (control / name).write_text(text)
        self.command = [programs / "ekiden-send", "-C", control, "-Q", self.queue, "-M", self.mail,
                        "-n", "1"]  # fmt: skip
        self.user = {}
        if run.mode == "unprivileged":
            self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.log = b""
        self.times = Counter()

    def close(self):
        self.sink.__exit__()
        for disk in self.disks:
            disk.loop.close()
        shutil.rmtree(self.folder)

    def timed(self, name, since):
        now = time.monotonic()
        self.times[name] += now - since
        return now

    def try_state(self, drain):
        """The disks were put into a state. Returns the Outcome; what is wrong is in it. DRAIN: what
        is put off is tried, too, and then the queue must be empty."""
        outcome, mounted = Outcome(), []
        self.log, self.sink.messages = b"", []
        now = time.monotonic()
        try:
            for disk in self.disks:
                disk.mount()
                mounted.append(disk)
            now = self.timed("mount", now)
            self.recover(outcome, drain)
            now = self.timed("scheduler", now)
            self.look(outcome)
            now = self.timed("look", now)
        except (OSError, AssertionError) as error:
            outcome.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            for disk in mounted:
                disk.unmount()
            self.timed("unmount", now)
        return outcome

    def whole_files(self, folders):
        """The messages that are accepted: id -> path."""
        found = {}
        for folder in folders:
            try:
                for name in os.listdir(folder):
                    if NAME.fullmatch(name) and has_end_record(folder / name):
                        found[name] = folder / name
            except (FileNotFoundError, NotADirectoryError):
                pass  # the crash was before it was made
        return found

    def recover(self, outcome, drain):
        deferred = self.whole_files(self.slots)
        waiting = {*self.whole_files([self.queue / "new"]), *(deferred if drain else ())}
        for _ in range(STARTS):
            if self.run_scheduler(waiting, drain and deferred) == 0:
                break
        else:
            text = f"the scheduler does not settle: {self.log[-2000:]!r}"
            outcome.wrong.append(Broken("hung", text))

    def run_scheduler(self, waiting, everything):
        """Once, until all of WAITING and what comes of them has been tried. Returns the exit code."""
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   **self.user)  # fmt: skip
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        started = asked = False
        self.ended = set()
        with process.stderr as log:
            for line in log:
                self.log += line
                if line.startswith(b"ekiden-send: event=started"):
                    started = True
                    if everything:
                        process.send_signal(signal.SIGALRM)
                elif line.startswith(b"ekiden-send: "):
                    self.note(line.decode("latin-1"), waiting)
                if started and not waiting and not asked:
                    process.terminate()
                    asked = True
        timer.cancel()
        return process.wait()

    def note(self, line, waiting):
        fields = {key: value.strip('"') for key, value in FIELD.findall(line)}
        if fields["event"] in ENDED:
            waiting.discard(fields.get("id"))
            self.ended.add(fields.get("id"))
        elif fields["event"] == "report" and fields.get("result") == "made":
            report = fields["text"].split()[-1]  # it may be delivered before this is said
            waiting.update({report} - self.ended)

    def look(self, outcome):
        """What is in the mailboxes, and what is left in the queue."""
        again = b"event=deferred" in self.log
        left = self.whole_files(
            (self.queue / "new", *(self.all_slots if again else self.slots), self.queue / "hold")
        )
        for path in left.values():
            self.judge.add_waiting(outcome, path.read_bytes())
        outcome.unfinished += len(os.listdir(self.queue / "new"))
        outcome.set_aside += len(os.listdir(self.queue / "bad"))
        for box in ("alice", "bob"):
            for part in ("new", "cur"):
                folder = self.mail / box / "Maildir" / part
                for name in os.listdir(folder) if folder.is_dir() else ():
                    self.judge.add(outcome, box, (folder / name).read_bytes())
        for _, _, recipients, octets in self.sink.messages:
            for recipient in recipients:
                self.judge.add(outcome, recipient, octets)
        if b"signal=" in self.log:
            outcome.wrong.append(f"a process was killed: {self.log[-2000:]!r}")
