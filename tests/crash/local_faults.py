"""ekiden-local under faults: `K` means that the message is in the mailbox, whole.

This driver takes the scheduler's place: it starts ekiden-local under `fault`, sends it jobs (all of
them at once, so that they make one batch), and reads the answers. A job that was not answered, or
deferred, is given to a new and undisturbed ekiden-local, as the scheduler does.
"""

import re
import select
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from faults import Subject, Trace, age_drafts, environment, tracer
from instance import PATIENCE
from queue_faults import run_queue
from rows import Broken

HEADER = struct.Struct(">IH")  # of skalibs' unixmessage: bytes, descriptors
END = re.compile(rb"\nend (\d{20}) (\d{20}) [0-9a-f]{16} ([0-9a-f]{16})\n$")


@dataclass
class Job:
    token: bytes
    mailbox: str
    queue_file: Path
    answer: str = ""  # a letter of deliver/job.h; empty: none came


class Hung(Exception):
    pass


def receive_exactly(link, length):
    """LENGTH bytes, or None when the agent is gone before."""
    found = b""
    while len(found) < length:
        if not select.select([link], [], [], PATIENCE)[0]:
            raise Hung("no answer")
        try:
            piece = link.recv(length - len(found))
        except ConnectionResetError:
            return None
        if not piece:
            return None
        found += piece
    return found


def send_job(link, number, job):
    stored = job.queue_file.read_bytes()
    offset, length, checksum = END.search(stored).groups()
    fields = [
        str(number).encode(),
        b"m",
        job.mailbox.encode(),
        b"",  # no extension
        f"{job.mailbox}@demo.example".encode(),
        b"sender@elsewhere.example",
        str(int(offset)).encode(),
        str(int(length)).encode(),
        checksum,
        b"",  # no flags
    ]
    data = b"".join(field + b"\0" for field in fields)
    with open(job.queue_file, "rb") as file:
        socket.send_fds(link, [HEADER.pack(len(data), 1) + data], [file.fileno()])


def receive_answers(link, jobs):
    """Notes the answers in JOBS, until each has one or the agent is gone."""
    for _ in jobs:
        header = receive_exactly(link, HEADER.size)
        if header is None:
            return
        length, descriptors = HEADER.unpack(header)
        assert descriptors == 0 and length < 4096, header
        data = receive_exactly(link, length)
        if data is None:
            return
        number, letter, _text, _end = data.split(b"\0")
        jobs[int(number) - 1].answer = letter.decode()


def run_local(instance, jobs, fault=None, sandbox=True, traced=True):
    """One ekiden-local for JOBS, under `fault` if TRACED. Returns the trace and complaints."""
    path, mail = instance.folder / "fault.trace", instance.folder / "mail"
    user = instance.user[0] if instance.user else None
    ours, theirs = socket.socketpair()
    arguments, wrong = ["-M", mail, "-C", instance.control], []
    command = instance.command("ekiden-local", *arguments)
    if traced:
        command = [*tracer(path, fault, user), instance.programs / "ekiden-local", *arguments]
    with ours, open(instance.log_path, "ab") as log:
        # The jobs wait in the socket before the agent starts: it takes them as one batch.
        for number, job in enumerate(jobs, 1):
            send_job(ours, number, job)
        with theirs:
            process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL,
                                       stderr=log, env=environment(sandbox))
        try:
            receive_answers(ours, jobs)
            ours.shutdown(socket.SHUT_RDWR)
            process.wait(PATIENCE)
        except (Hung, subprocess.TimeoutExpired) as error:
            process.kill()
            process.wait()
            wrong.append(Broken("hung", str(error)))
    return Trace(path).read() if traced else None, wrong


class Local(Subject):
    """Batches of COUNT jobs, one a mailbox; FRESH: for mailboxes that are not there yet."""

    single = True

    def __init__(self, instance, ledger, size, count=2, fresh=False, sandbox=True):
        self.instance, self.ledger, self.size, self.count = instance, ledger, size, count
        self.fresh, self.sandbox = fresh, sandbox
        self.mailboxes, self.made = set(), 0
        new = ", new mailboxes" if fresh else ""
        self.name = f"ekiden-local, {count} of {size} bytes{new}"

    def make_jobs(self):
        self.made += 1
        jobs = []
        for index in range(self.count):
            token, body = self.ledger.message("", self.size)
            code, _ = run_queue(self.instance, body, traced=False)
            assert code == 0, f"ekiden-queue: exit {code}"
            (made,) = (self.instance.queue / "new").iterdir()
            kept = self.instance.folder / f"job.{index}"
            made.rename(kept)
            mailbox = f"fresh{self.made}x{index}" if self.fresh else ("alice", "bob")[index % 2]
            self.mailboxes.add(mailbox)
            jobs.append(Job(token, mailbox, kept))
        return jobs

    def judge(self, jobs, trace):
        """What the answers to JOBS promise."""
        what, wrong = f"{self.name}: {trace}", []
        if trace.forbids_success() and all(job.answer == "K" for job in jobs):
            wrong.append(Broken("lost", f"{what}: answered K all the same"))
        for job in jobs:
            entry = self.ledger.entries[job.token]
            entry.label = f"{what}, {job.mailbox}, answer {job.answer or 'none'}"
            # Without an answer the message may have arrived: it comes twice then, never not at all.
            self.ledger.expect(job.token, 1, 1 if job.answer else 2)
            if job.answer in ("D", "C"):
                wrong.append(Broken("lost", f"{what}: answered {job.answer}, which is for good"))
        return wrong

    def attempt(self, fault):
        jobs = self.make_jobs()
        age_drafts(self.instance.folder / "mail")
        trace, hung = run_local(self.instance, jobs, fault, self.sandbox)
        wrong = [Broken(one.kind, f"{self.name}: {trace}: {one}") for one in hung]
        wrong += self.judge(jobs, trace)
        again = [job for job in jobs if job.answer != "K"]
        assert fault or not again, f"without a fault: {jobs}"
        if again:
            for job in again:
                job.answer = ""
            run_local(self.instance, again, traced=False)
            wrong += [Broken("hung", f"{self.name}: {trace}: not even then: {job}")
                      for job in again if job.answer != "K"]
        return trace, wrong

    def settle(self):
        age_drafts(self.instance.folder / "mail")
        _, wrong = self.attempt(None)
        left = 0 if self.fresh else age_drafts(self.instance.folder / "mail")
        if left:
            wrong.append(Broken("other", f"{self.name}: {left} files stay in tmp/"))
        mail = [one for box in self.mailboxes for one in self.instance.mailbox(box)]
        return wrong + self.ledger.violations(mail, "mailboxes")
