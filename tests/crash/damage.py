"""Damaged queues: whatever is cut off, flipped, copied or jumps, nothing is lost that is whole, and
nothing is delivered that is not.

Each function makes a queue, has the real scheduler work on it, and returns a Row with the complaints.
Thousands of damaged files lie in one queue at a time, so that one start of the scheduler judges them
all; an undamaged message among them has to come through.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "system"))

from instance import DOMAIN, Instance, wait_for  # noqa: E402
from ledger import Ledger  # noqa: E402
from queue_faults import SLOT_SECONDS, SLOTS, run_queue  # noqa: E402
from remote import Sink  # noqa: E402
from rows import Broken, Row  # noqa: E402

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ACCEPTED = 0o1660  # QUEUE_FILE_MODE | QUEUE_FILE_ACCEPTED
FAR, SINK = "far.example", "127.0.0.4"
GOOD = b"Falice@demo.example\0Tbob@demo.example\0Tx@far.example\0"
FAILING = b"Falice@demo.example\0Tnobody@demo.example\0Tbob@demo.example\0"
NOTE = b"\nF 0 5.1.1 no such mailbox here\n"
USERS = "alice\nbob\npostmaster:alice\n"


class Case:
    """A server whose queue is prepared while it is stopped."""

    def __init__(self, folder, programs, name, mode="unprivileged", user=None, **control):
        if user is None and os.geteuid() == 0:
            user = ("nobody", "nogroup")
        self.row, self.ledger, self.start = Row(name, 0, 0), Ledger(), time.monotonic()
        self.sink = Sink(SINK).__enter__()
        files = {"me": f"{DOMAIN}\n", "locals": f"{DOMAIN}\n", "rcpthosts": f"{DOMAIN}\n",
                 "users": USERS, "smtproutes": f"{FAR}:{SINK}:{self.sink.port}\n",
                 **control}  # fmt: skip
        self.instance = Instance(folder, programs, mode, user, files)
        self.names = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.instance.process:
            self.instance.kill()
        self.sink.__exit__()

    @property
    def queue(self):
        return self.instance.queue

    def make_queue(self):
        self.instance.start()
        self.instance.stop()

    def name(self):
        """A new name of a queue file."""
        self.names += 1
        value, text = self.names, ""
        while value:
            value, digit = divmod(value, 32)
            text = ALPHABET[digit] + text
        return "1k0tvbq2ny" + text.rjust(10, "0")

    def inject(self, label, size=120, envelope=GOOD, least=1, most=1):
        """A message in new/. Returns its path there, None when it was taken at once."""
        token, body = self.ledger.message(label, size)
        self.ledger.expect(token, least, most)
        before = set(os.listdir(self.queue / "new"))
        code, _ = run_queue(self.instance, body, traced=False, envelope=envelope)
        assert code == 0, f"ekiden-queue: exit {code}"
        added = set(os.listdir(self.queue / "new")) - before
        return self.queue / "new" / added.pop() if added else None

    def put(self, folder, octets, name=None, mode=ACCEPTED):
        """A file of the queue. Returns its name."""
        path = self.queue / folder / (name or self.name())
        path.write_bytes(octets)
        self.instance.give_away(path)
        path.chmod(mode)
        self.row.tried += 1
        self.row.distinct += 1
        return path.name

    def due_slot(self):
        """A slot of the wheel that the next scheduler reads at once."""
        slot = int(time.time()) // SLOT_SECONDS - 2
        cursor = self.queue / "wheel/cursor"
        cursor.write_bytes(b"%020d\n" % ((slot - 1) * SLOT_SECONDS))
        self.instance.give_away(cursor)
        return f"wheel/{slot % SLOTS:03}"

    def try_all(self):
        """What was put off is tried now."""
        self.instance.try_all()

    def mail(self, box):
        """What BOX has, without reports."""
        if "@" in box:
            return [octets.replace(b"\r\n", b"\n") for _, _, boxes, octets in self.sink.messages
                    if box in boxes]  # fmt: skip
        return [one for one in self.instance.mailbox(box) if b"multipart/report" not in one]

    def reports(self):
        return [one for one in self.instance.mailbox("alice") if b"multipart/report" in one]

    def wait(self, condition, what):
        """Until CONDITION; a complaint if it never comes."""
        try:
            wait_for(condition, self.instance.patience, what)
        except AssertionError as error:
            self.complain("hung", f"{error}\n{self.instance.log_text()[-2000:]}")

    def complain(self, kind, text):
        self.row.count([Broken(kind, text)])
        self.complaints = [*getattr(self, "complaints", []), text]

    def judge(self, *boxes):
        for box in boxes:
            wrong = self.ledger.violations(self.mail(box), box)
            self.row.count(wrong)
            self.complaints = [*getattr(self, "complaints", []), *wrong]
        log = self.instance.log_text()
        if re.search(r"signal=|Sanitizer|event=agent-gone", log):
            at = max(re.search(r"signal=|Sanitizer|event=agent-gone", log).start() - 300, 0)
            self.complain("other", f"a process ended: {log[at : at + 1000]}")

    def end(self):
        """(the row, what was wrong)"""
        if self.instance.process and self.instance.stop() != 0:
            self.complain("other", "the end of the server was no good one")
        self.row.seconds = time.monotonic() - self.start
        return self.row, getattr(self, "complaints", [])


def variants(octets, bits):
    """OCTETS cut at every length, and with each of BITS flipped in every byte."""
    for length in range(len(octets)):
        yield octets[:length]
    for at in range(len(octets)):
        for bit in bits:
            yield octets[:at] + bytes([octets[at] ^ bit]) + octets[at + 1 :]


def queue_files(folder, programs, bits=(1,)):
    """Queue files, of mail that is delivered and of mail that fails, in new/ and in the wheel."""
    with Case(folder, programs, "queue files, cut and flipped") as case:
        case.make_queue()
        slot, names = case.due_slot(), set()
        for envelope in (GOOD, FAILING):
            whole = case.inject("whole", envelope=envelope)
            octets = whole.read_bytes()
            for place in ("new", slot):
                names |= {case.put(place, damaged) for damaged in variants(octets, bits)}
        case.instance.start()
        bad = case.queue / "bad"
        case.wait(lambda: names <= set(os.listdir(bad)), "all damaged files in bad/")
        case.wait(lambda: len(case.reports()) == 1 and len(case.mail("bob")) == 2
                  and case.mail(f"x@{FAR}"), "the whole ones")  # fmt: skip
        if left := names - set(os.listdir(bad)):
            case.complain("other", f"not set aside: {len(left)}, as {sorted(left)[:3]}")
        for report in case.reports():
            if b"nobody@demo.example" not in report:
                case.complain("other", f"a report of what is damaged: {report!r}")
        case.judge("bob")
        if len(case.mail(f"x@{FAR}")) != 1:
            case.complain("partial", f"the sink has {case.mail(f'x@{FAR}')}")
        return case.end()


def notes(folder, programs, bits=(1,)):
    """Notes: a failure that is marked is reported once, whatever is left of its reason."""
    with Case(folder, programs, "notes, cut and flipped") as case:
        case.make_queue()
        whole = case.inject("whole", envelope=FAILING, least=0, most=0)
        octets = whole.read_bytes().replace(b"Tnobody", b"-nobody").replace(b"Tbob", b"+bob")
        whole.unlink()
        count = 0
        for damaged in variants(NOTE, bits):
            name = case.put("new", octets)
            case.put("notes", damaged, name, 0o600)
            case.row.tried -= 1
            case.row.distinct -= 1
            count += 1
        case.instance.start()
        case.wait(lambda: len(case.reports()) >= count, f"{count} reports")
        case.instance.wait_for_empty_queue()
        if len(case.reports()) != count:
            case.complain("doubled", f"{len(case.reports())} reports of {count} messages")
        for report in case.reports():
            if b"nobody@demo.example" not in report or not report.endswith(b"--\n"):
                case.complain("partial", f"a bad report: {report!r}")
        if left := os.listdir(case.queue / "notes"):
            case.complain("other", f"notes are left: {left}")
        case.judge("bob")
        return case.end()


def hints(folder, programs, step=1):
    """wheel/cursor and count: hints, without which all goes on."""
    with Case(folder, programs, "hints, cut and flipped", maxqueue="1000\n") as case:
        case.make_queue()
        sent = 0
        files = {name: (case.queue / name).read_bytes() for name in ("wheel/cursor", "count")}
        damaged = [(name, octets) for name, whole in files.items()
                   for octets in (*variants(whole, (1, 0x80)), b"9" * 20 + b"\n", b"")]  # fmt: skip
        for name, octets in damaged[::step]:
            path = case.inject(f"{name}: {octets!r}")
            path.rename(case.queue / case.due_slot() / path.name)
            sent += 1
            if name == "count" and len(octets) < 8:
                octets = octets.ljust(8, b"\xff")  # shorter is a fault of memory, the manual says
            case.put(name.rpartition("/")[0], octets, name.rpartition("/")[2], 0o660)
            case.instance.start()
            case.try_all()  # a time that is only a little wrong would cost hours, and no mail
            case.wait(lambda: len(case.mail("bob")) >= sent, f"mail, with {name} {octets!r}")
            case.instance.stop()
        case.judge("bob", f"x@{FAR}")
        return case.end()


def copied(folder, programs):
    """A queue that was copied by rsync to another machine, with mail in all states."""
    with Case(folder / "from", programs, "a queue copied by rsync",
              smtproutes=f"{FAR}:{SINK}:1\n") as case:  # fmt: skip
        case.make_queue()
        case.instance.start()
        failing = FAILING.replace(b"Tnobody", b"Tx@far.example\0Tnobody")
        for number in range(6):
            case.inject(f"deferred {number}", envelope=(GOOD, failing)[number % 2])
            wait_for(lambda: not os.listdir(case.queue / "new"), what="the first try")
        wait_for(lambda: len(case.reports()) == 3, what="reports")
        case.instance.stop()
        for number in range(4):
            case.inject(f"new {number}")
        with Case(folder / "to", programs, "there") as there:
            shutil.rmtree(there.queue, ignore_errors=True)
            subprocess.run(["rsync", "-a", f"{case.queue}/", f"{there.queue}/"], check=True)
            there.instance.start()
            there.try_all()
            case.wait(lambda: len(there.mail(f"x@{FAR}")) >= 10, "all mail, there")
            there.instance.wait_for_empty_queue()
            case.row.tried = case.row.distinct = 10
            counts = Counter(there.ledger.complete(one) for one in there.mail("bob"))
            there.ledger.entries = case.ledger.entries
            far = there.ledger.violations(there.mail(f"x@{FAR}"), f"x@{FAR}")
            both = there.ledger.violations([*case.mail("bob"), *there.mail("bob")], "bob")
            case.row.count([*far, *both])
            case.complaints = [*far, *both]
            if there.reports() or not counts:
                case.complain("doubled", "reported once more, there")
            there.end()
        return case.end()


class Clock:
    """The time of day of the programs in PROGRAMS/../clock (tests/crash/clock.c), in FOLDER."""

    def __init__(self, folder, programs, build):
        self.path, self.programs = folder / "clock", folder / "programs"
        shutil.copytree(programs, self.programs)
        for path in (build / "crash/clock").iterdir():
            shutil.copy2(path, self.programs / path.name)
        self.set(0)
        self.path.chmod(0o644)

    def set(self, seconds):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


DAY, YEAR = 86400, 365 * 86400
JUMPS = (DAY, 0, -DAY, 3 * DAY, -YEAR, YEAR, 0, 2 * YEAR, 2 * YEAR - DAY, -2 * YEAR, 0, 90, -90)


def clocks(folder, programs, build):
    """The clock jumps to and fro under a scheduler that has deferred mail: new mail comes at once,
    and the deferred mail in the end."""
    clock = Clock(folder, programs, build)
    with Case(folder / "run", clock.programs, "jumps of the clock", queuelifetime="316224000\n",
              delaywarning="0\n", smtproutes=f"{FAR}:{SINK}:1\n") as case:  # fmt: skip
        case.instance.environment = {"EKIDEN_TEST_CLOCK": str(clock.path)}
        case.instance.start()
        for number, jump in enumerate(JUMPS):
            clock.set(jump)
            case.inject(f"after {jump} seconds")
            case.wait(lambda: len(case.mail("bob")) == number + 1, f"mail after {jump} seconds")
            if number % 3 == 2:
                case.instance.restart()
            case.row.tried += 1
        case.row.distinct = case.row.tried
        case.instance.set("smtproutes", f"{FAR}:{SINK}:{case.sink.port}\n")
        case.instance.restart()
        case.try_all()
        case.wait(lambda: len(case.mail(f"x@{FAR}")) >= len(JUMPS), "what was put off")
        case.instance.wait_for_empty_queue()
        case.judge("bob", f"x@{FAR}")
        if case.reports():
            case.complain("other", f"reports: {case.reports()}")
        return case.end()


def given_up(folder, programs, build):
    """A jump by a year makes mail too old that was put off: its sender is told once, by whatever way
    the clock goes on."""
    clock = Clock(folder, programs, build)
    with Case(folder / "run", clock.programs, "too old by a jump of the clock",
              smtproutes=f"{FAR}:{SINK}:1\n") as case:  # fmt: skip
        case.instance.environment = {"EKIDEN_TEST_CLOCK": str(clock.path)}
        case.instance.start()
        case.inject("too old")
        case.wait(lambda: len(case.mail("bob")) == 1 and not os.listdir(case.queue / "new"), "mail")
        clock.set(YEAR)
        case.try_all()
        case.wait(case.reports, "the report")
        clock.set(-YEAR)
        case.instance.restart()
        case.try_all()
        case.instance.wait_for_empty_queue()
        case.row.tried = case.row.distinct = 2
        if len(case.reports()) != 1 or b"given up" not in case.reports()[0]:
            case.complain("doubled", f"reports: {case.reports()}")
        case.judge("bob")
        return case.end()


CASES = {"queue": queue_files, "notes": notes, "hints": hints, "copied": copied}
CLOCKS = {"clocks": clocks, "old": given_up}
