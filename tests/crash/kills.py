#!/usr/bin/python3
"""SIGKILL at random moments under load, and the books afterwards.

    tests/crash/kills.py [--kills 10000] [--build FOLDER] [--on FOLDER] [--seed N]

A whole instance takes mail from clients of our own, each message with a token of its own, and from
smtp-source. One process after the other is killed, chosen at random, then all at once; the server
is started again, as a supervisor does. In the end everything that was answered 250 is in each
mailbox, or at the server next door, or its sender has the report; what was not is nowhere, save
where the connection broke between the end of the data and the answer. Copies beyond the first are
counted. Of smtp-source's messages those count that the log calls accepted.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from hostile_server import HostileServer  # noqa: E402
from instance import DOMAIN, PROGRAMS, Instance, wait_for  # noqa: E402
from ledger import Ledger  # noqa: E402
from smtp_client import Client, Closed, to_wire  # noqa: E402

LOCAL = [f"alice@{DOMAIN}", f"bob@{DOMAIN}"]
SENDER = f"carol@{DOMAIN}"
LOAD = f"dave@{DOMAIN}"
TAKEN, REFUSED = "taken@elsewhere.test", "refused@elsewhere.test"
WAYS = {"local": LOCAL, "remote": [TAKEN], "report": [REFUSED]}
CLIENTS = 4
SINGLES = 8  # processes killed one by one at most, before all are
PAUSE = 0.06  # seconds between two kills, at most
SIZES = (300,) * 16 + (20_000,) * 3 + (300_000,)
ROUND = 500  # kills until the books are balanced
ACCEPTED = re.compile(r"^ekiden-smtpd: event=accepted id=(\S+) .*$", re.M)
IDENTITY = re.compile(rb"\bid ([0-9a-z]{20})\b")


def answer_rcpt(session):
    return "550 5.1.1 nobody of that name" if b"refused" in session.commands[-1] else "250 2.1.5 ok"


def answer_data(session):
    return "354 go" if session.recipients else "554 5.5.1 nobody to take it for"


class Run:
    def __init__(self, instance, options):
        self.instance, self.random = instance, random.Random(options.seed)
        self.kills, self.wanted = 0, options.kills
        self.lock, self.stopped, self.up = threading.Lock(), threading.Event(), threading.Event()
        self.extra = 0
        self.books = {way: Ledger() for way in WAYS}
        self.counts = Counter()
        self.source = None

    # --- clients ---

    def send_one(self, chance):
        way, size = chance.choice(list(WAYS)), chance.choice(SIZES)
        with self.lock:
            token, body = self.books[way].message(way, size)
            self.books[way].expect(token, 0, 0)
        ended, code = False, 0
        try:
            with Client(self.instance.port, timeout=60) as client:
                client.greet()
                if all(client.command(line).code == 250 for line in (
                        f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{to}>" for to in WAYS[way]))):
                    if client.command("DATA").code == 354:
                        ended = True
                        client.send(to_wire(body))
                        code = client.reply().code
                client.quit()
        except (Closed, OSError, AssertionError):
            pass  # what was answered by then counts
        self.note(way, token, ended, code)

    def note(self, way, token, ended, code):
        known = "acknowledged" if code == 250 else "refused" if code else (
            "unknown" if ended else "cut")
        with self.lock:
            self.counts[known] += 1
            if known in ("acknowledged", "unknown"):
                self.books[way].expect(token, int(known == "acknowledged"), self.wanted + 1)

    def client(self, seed):
        chance = random.Random(seed)
        while not self.stopped.is_set():
            if self.up.wait(0.1):
                self.send_one(chance)

    def start_source(self):
        program = shutil.which("smtp-source", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if program:
            self.source = subprocess.Popen(
                [program, "-4", "-s", "4", "-m", "1000000", "-l", "2000", "-f", SENDER, "-t", LOAD,
                 f"127.0.0.1:{self.instance.port}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop_source(self):
        if self.source:
            self.source.kill()
            self.source.wait()
            self.source = None

    # --- kills ---

    def kill_one(self):
        """Any process but the first, whose end would be everybody's."""
        found = [one for one in self.instance.all_processes()
                 if one.pid != self.instance.process.pid]
        if found:
            try:
                os.kill(self.random.choice(found).pid, signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass

    def cycle(self):
        self.instance.start()
        self.up.set()
        self.start_source()
        for _ in range(self.random.randint(0, SINGLES)):
            time.sleep(self.random.uniform(0, PAUSE))
            self.kill_one()
        time.sleep(self.random.uniform(0, PAUSE))
        self.kills += 1
        self.up.clear()
        self.instance.kill()
        self.stop_source()

    def go(self, kills):
        """So many kills, and then a server that nobody kills."""
        self.stopped.clear()
        clients = [threading.Thread(target=self.client, args=(self.random.random(),))
                   for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            end = self.kills + kills
            while self.kills < end:
                self.cycle()
        finally:
            self.stopped.set()
            for client in clients:
                client.join()
            self.stop_source()
        self.instance.start()

    # --- the books ---

    def settle(self):
        """What was put off is tried now."""
        def empty():
            self.instance.try_all()
            time.sleep(0.2)  # each signal begins a round of tries
            return self.instance.queue_is_empty(unfinished=True)

        wait_for(empty, 600, "an empty queue")
        self.instance.stop()

    def reports(self, refusals):
        """The messages that the sender's reports are about, as they were sent."""
        found = []
        for report in self.instance.mailbox("carol"):
            token = re.search(rb"^Subject: crash ([0-9a-f]{32})$", report, re.M)
            entry = refusals.entries.get(token.group(1)) if token else None
            found.append(entry.body if entry and b"5.1.1" in report else report)
        return found

    def check_load(self):
        """Of smtp-source's messages those that the log calls accepted must be there."""
        there = set(IDENTITY.findall(b"\n".join(self.instance.mailbox("dave"))))
        ids = [one.group(1).encode() for one in ACCEPTED.finditer(self.instance.log_text())
               if f"to={LOAD}" in one.group(0)]
        self.counts["of smtp-source"] += len(ids)
        return [f"load: {one.decode()} is nowhere" for one in ids if one not in there]

    def balance(self, messages):
        """MESSAGES are those that the server next door took. Returns the broken promises as text,
        and begins new books."""
        elsewhere = [one.replace(b"\r\n", b"\n").replace(b"\n..", b"\n.") for one in messages]
        places = {"local": [self.instance.mailbox("alice"), self.instance.mailbox("bob")],
                  "remote": [elsewhere], "report": [self.reports(self.books["report"])]}
        wrong = []
        for way, mailboxes in places.items():
            for mailbox in mailboxes:
                wrong += self.books[way].violations(mailbox, way)
                self.extra += len(mailbox) - len(set(map(self.books[way].complete, mailbox)))
        wrong += self.check_load()
        self.books = {way: Ledger() for way in WAYS}
        self.instance.empty_mailboxes()
        self.instance.log_path.write_bytes(b"")
        return wrong


def run(instance, options):
    """Returns the Run, and the broken promises as text."""
    made, wrong = Run(instance, options), []
    with HostileServer({"RCPT": answer_rcpt, "DATA": answer_data}, ["PIPELINING"]) as server:
        for name, text in {"me": DOMAIN, "locals": DOMAIN, "rcpthosts": f"{DOMAIN}\nelsewhere.test",
                           "users": "alice\nbob\ncarol\ndave\npostmaster:alice",
                           "smtproutes": f"elsewhere.test:127.0.0.1:{server.port}"}.items():
            instance.set(name, text + "\n")
        while made.kills < made.wanted and not wrong:
            sessions = len(server.sessions)
            made.go(min(ROUND, made.wanted - made.kills))
            made.settle()
            wrong = made.balance(
                [one for session in server.sessions[sessions:] for one in session.accepted])
            print(f"{time.strftime('%H:%M:%S')}: {made.kills} kills, {made.extra} copies too many, "
                  f"{len(wrong)} promises broken; {dict(made.counts)}", flush=True)
    return made, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=10000)
    build = HERE.parents[1] / os.environ.get("EKIDEN_BUILD", "build")
    parser.add_argument("--build", type=Path, default=build)
    parser.add_argument("--on", default="/dev/shm", help="a folder on the file system to run on")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` cleans up
    folder = Path(tempfile.mkdtemp(prefix="ekiden-kills-", dir=options.on))
    folder.chmod(0o755)
    programs = folder / "programs"
    programs.mkdir(mode=0o755)
    for name in PROGRAMS:
        shutil.copy2(options.build / name, programs / name)
    user = ("nobody", "nogroup") if os.geteuid() == 0 else None
    instance = Instance(folder / "server", programs, "unprivileged", user)
    start, wrong = time.monotonic(), ["not finished"]
    try:
        made, wrong = run(instance, options)
        counts = ", ".join(f"{count} {what}" for what, count in sorted(made.counts.items()))
        print(f"seed {options.seed}: {made.kills} SIGKILLs in {time.monotonic() - start:.0f} s; "
              f"messages: {counts}; {made.extra} copies too many; {len(wrong)} promises broken")
        print("\n".join(wrong[:50]))
    finally:
        if instance.process:
            instance.kill()
        if wrong:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
