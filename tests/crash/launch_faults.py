"""ekiden-launch and the ekiden-dotqmail of each user under faults: `K` means that the message is where
the user's file says, whole: in a Maildir, in an mbox, in a Maildir and forwarded, given to a program.

What was not answered, or deferred, is given to an undisturbed ekiden-launch, as the scheduler does.
"""

import os
import re
import subprocess

from agent import Link, Queued
from faults import Subject, Trace, age_drafts, environment, tracer
from instance import PATIENCE, wait_for
from ledger import Ledger
from rows import Broken

USER = "ann"
FILES = {
    ".qmail-box": "./mbox\n",
    ".qmail-on": "./Maildir/\n&joe@far.test\n",
    ".qmail-pipe": "|cat > copy; test -s copy\n",
}
WAYS = ("", "box", "on", "pipe")
FROM_LINE = re.compile(rb"^From ann@far\.test [^\n]*\n", re.M)


class Launch(Subject):
    """MAKE_LAUNCHER(users) gives a Launcher (system/launcher.py) that has not been started."""

    def __init__(self, make_launcher, size):
        self.launcher, self.size = make_launcher([USER]), size
        self.name = f"ekiden-launch and -dotqmail, {size} bytes"
        self.ledgers = {way: Ledger() for way in WAYS}
        for name, content in FILES.items():
            self.launcher.write(USER, name, content)
        self.torn = 0  # how often an mbox may end in a part
        self.start_injector()

    def start_injector(self):
        """For forwards; their queue files lie in forwarded/new."""
        launcher, queue = self.launcher, self.launcher.folder / "forwarded"
        for folder in (queue, queue / "new", queue / "notes"):
            folder.mkdir()
            folder.chmod(0o777)
        launcher.set("me", "local.test\n")
        launcher.folder.chmod(0o777)
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.injector = subprocess.Popen(
            [launcher.programs / "ekiden-queue", "-l", launcher.folder / "inject", "-Q", queue,
             "-C", launcher.folder / "control"],
            stderr=subprocess.DEVNULL, **(user if os.geteuid() == 0 else {}))
        wait_for((launcher.folder / "inject").exists, what="the injector's socket")

    # --- one run ---

    def queue(self):
        """A message for each way: {way: (token, Queued)}."""
        made, folder = {}, self.launcher.folder / "queue"
        for way, ledger in self.ledgers.items():
            token, body = ledger.message("", self.size)
            made[way] = token, Queued(self.launcher.programs, folder, body)
        return made

    def run(self, messages, prefix=()):
        """Gives all of MESSAGES to a new ekiden-launch. Returns {way: answer} and whether it hung."""
        launcher, ways, answers, hung = self.launcher, {}, {}, False
        launcher.link = Link()
        try:
            for way, (_, queued) in messages.items():
                ways[launcher.link.job(queued, USER, way)] = way
            launcher.start(prefix, environment())
            for _ in ways:
                number, letter, _ = launcher.link.answer()
                answers[ways[number]] = letter
        except TimeoutError:
            hung = True
        except (OSError, AssertionError):
            pass  # it is gone: what was answered by then counts
        launcher.link.ours.close()
        try:
            launcher.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            hung = True
            launcher.process.kill()
            launcher.process.wait()
        return answers, hung

    def attempt(self, fault):
        age_drafts(self.launcher.folder / "homes")
        messages, path = self.queue(), self.launcher.folder / "fault.trace"
        answers, hung = self.run(messages, tracer(path, fault))
        trace = Trace(path).read()
        # What starts it, and the user's program, are not ours.
        trace.points = [point for point in trace.points if point.role.startswith("ekiden-")]
        what = f"{self.name}: {trace}, answers {answers}"
        wrong = [Broken("hung", what)] if hung else []
        self.torn += trace.killed
        for way, (token, _) in messages.items():
            letter = answers.get(way)
            entry = self.ledgers[way].entries[token]
            entry.label, entry.least, entry.most = f"{what}: {way}", 1, 1 + (letter != "K")
            if letter in ("D", "C"):
                wrong.append(Broken("lost", f"{what}: {way} was answered {letter}"))
        again = {way: one for way, one in messages.items() if answers.get(way) != "K"}
        if fault is None and again:
            wrong.append(Broken("other", f"{what}: without a fault"))
        if again:
            answers, hung = self.run(again)
            left = [way for way in again if answers.get(way) != "K"]
            if hung or left:
                wrong.append(Broken("hung", f"{what}: not even then: {left}: {answers}"))
        for _, queued in messages.values():
            queued.path.unlink()
        return trace, wrong

    # --- the end ---

    def mbox(self):
        """The messages of the mbox; parts that a crash left at its end are not among them."""
        content = (self.launcher.folder / "homes" / USER / "mbox").read_bytes()
        found, torn = [], 0
        for piece in FROM_LINE.split(content)[1:]:
            # What could not see how the file ends puts an empty line too many in front of its own.
            message = piece.rstrip(b"\n") + b"\n"
            whole = self.ledgers["box"].complete(message)
            if whole:
                found.append(message)
            torn += not whole
        return found, torn

    def forwarded(self):
        found = []
        for path in (self.launcher.folder / "forwarded/new").iterdir():
            content = path.read_bytes()
            if content[-81:].startswith(b"\nend "):
                head, length = int(content[-76:-56]), int(content[-55:-35])
                found.append(content[head:head + length])
        return found

    def settle(self):
        self.injector.terminate()
        self.injector.wait()
        box, torn = self.mbox()
        wrong = self.ledgers["box"].violations(box, "mbox")
        if torn > self.torn:
            wrong.append(Broken("partial", f"mbox: {torn} parts after {self.torn} kills"))
        wrong += self.ledgers["on"].violations(self.forwarded(), "forwarded")
        both = Ledger({**self.ledgers[""].entries, **self.ledgers["on"].entries})
        return wrong + both.violations(self.launcher.maildir(USER), "Maildir")
