"""ekiden-local under faults: `K` means that the message is in the mailbox, whole.

This driver takes the scheduler's place: it starts ekiden-local under strace, sends it jobs (all of
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

from faults import environment, faults_of, points_of, tracer
from instance import PATIENCE
from queue_faults import run_queue

HEADER = struct.Struct(">IH")  # of skalibs' unixmessage: bytes, descriptors
END = re.compile(rb"\nend (\d{20}) (\d{20}) [0-9a-f]{16} ([0-9a-f]{16})\n$")


@dataclass
class Job:
    token: bytes
    mailbox: str
    queue_file: Path
    answer: str = ""  # a letter of deliver/job.h; empty: none came


def receive_exactly(link, length):
    """LENGTH bytes, or None when the agent is gone before."""
    found = b""
    while len(found) < length:
        if not select.select([link], [], [], PATIENCE)[0]:
            raise AssertionError("ekiden-local: no answer")
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


def run_local(instance, jobs, *options, sandbox=False, traced=True):
    """One ekiden-local for JOBS, under strace if TRACED. Returns the trace."""
    trace = instance.folder / "fault.trace"
    user = instance.user[0] if instance.user else None
    ours, theirs = socket.socketpair()
    with ours, open(instance.log_path, "ab") as log:
        # The jobs wait in the socket before the agent starts: it takes them as one batch.
        for number, job in enumerate(jobs, 1):
            send_job(ours, number, job)
        mail = instance.folder / "mail"
        arguments = ["-M", mail, "-C", instance.control]
        command = instance.command("ekiden-local", *arguments)
        if traced:
            program = [instance.programs / "ekiden-local", *arguments]
            command = [*tracer(trace, *options, user=user), *program]
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment(sandbox),
            )
        try:
            receive_answers(ours, jobs)
            ours.shutdown(socket.SHUT_RDWR)
            process.wait(PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return trace.read_text(errors="replace")


class Jobs:
    """Makes the jobs of a sweep: queue files by ekiden-queue, one job a mailbox."""

    def __init__(self, instance, ledger, size, count, fresh):
        self.instance, self.ledger, self.size, self.count = instance, ledger, size, count
        self.fresh = fresh  # each batch has mailboxes that are not there yet
        self.mailboxes = set()
        self.made = 0

    def make(self, label):
        self.made += 1
        jobs = []
        for index in range(self.count):
            token, body = self.ledger.message(label, self.size)
            code, _ = run_queue(self.instance, body, traced=False)
            assert code == 0, f"ekiden-queue: exit {code}"
            (made,) = (self.instance.queue / "new").iterdir()
            kept = self.instance.folder / f"job.{index}"
            made.rename(kept)
            mailbox = f"fresh{self.made}x{index}" if self.fresh else ("alice", "bob")[index % 2]
            self.mailboxes.add(mailbox)
            jobs.append(Job(token, mailbox, kept))
        return jobs


def judge(jobs, ledger, fault):
    """What the answers to JOBS promise. Returns complaints."""
    wrong = []
    if fault.forbids_success() and all(job.answer == "K" for job in jobs):
        wrong.append(f"{fault}: answered K all the same")
    for job in jobs:
        ledger.entries[job.token].label += f", {job.mailbox}, answer {job.answer or 'none'}"
        # Without an answer the message may have arrived: it comes twice then, never not at all.
        ledger.expect(job.token, 1, 1 if job.answer else 2)
        if job.answer in ("D", "C"):
            wrong.append(f"{fault}: a fault of the machine was answered {job.answer}: mail is lost")
    return wrong


def sweep(instance, ledger, kinds, size=300, count=2, fresh=False, sandbox=False, begin=None):
    """Every fault of KINDS, from the first call BEGIN of the clean run on (default: the start).
    Returns (faults, those that did not happen, complaints, mailboxes)."""
    maker = Jobs(instance, ledger, size, count, fresh)
    for label in ("first run", "clean run"):  # the first one may make the mailboxes
        jobs = maker.make(label)
        trace = run_local(instance, jobs, sandbox=sandbox)
        answers = [job.answer for job in jobs]
        assert answers == ["K"] * count, f"without a fault: {jobs}\n{trace[-3000:]}"
    points = points_of(trace)
    first = min((point.place for point in points if point.call == begin), default=0)
    points = [point for point in points if point.place >= first]
    faults, missed, wrong = faults_of(points, kinds), [], []
    for fault in faults:
        jobs = maker.make(str(fault))
        trace = run_local(instance, jobs, fault.option(), sandbox=sandbox)
        if not fault.happened(trace):
            missed.append(str(fault))
        wrong += judge(jobs, ledger, fault)
        again = [job for job in jobs if job.answer != "K"]
        if again:
            for job in again:
                job.answer = ""
            run_local(instance, again, traced=False)
            wrong += [f"{fault}: not even then: {job}" for job in again if job.answer != "K"]
    return len(faults), missed, wrong, maker.mailboxes
