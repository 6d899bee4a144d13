"""ekiden-bounce as an agent of its own: orders to report go in over a socket, and reports come out
in a queue that no scheduler takes them from."""

import array
import os
import resource
import shutil
import socket
import struct
import subprocess
from pathlib import Path

from instance import FIELD, PATIENCE, wait_for
from report import Report

HOST = "mail.local.test"
TODO, DONE, DELIVERED, FAILED = b"T", b"+", b"!", b"-"


class Bouncer:
    """FOLDER becomes control/, queue/ and the log; PROGRAMS is the folder of the programs."""

    def __init__(self, folder, programs, **control):
        self.folder, self.programs = Path(folder), Path(programs)
        self.user = {}
        if os.geteuid() == 0:
            self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        for name in ("control", "queue", "queue/new", "queue/notes"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o777)
        os.mkfifo(self.folder / "queue/wake")
        os.chmod(self.folder / "queue/wake", 0o666)
        self.wake = os.open(self.folder / "queue/wake", os.O_RDWR | os.O_NONBLOCK)
        self.set("me", f"{HOST}\n")
        for name, text in control.items():
            self.set(name, text)
        self.log_path = self.folder / "log"
        self.log_path.touch()
        self.process = self.link = None
        self.number = 0
        self.received = b""
        self.seen = set()

    def set(self, name, text):
        path = self.folder / "control" / name
        path.with_name("." + name).write_text(text)
        path.with_name("." + name).rename(path)

    # --- the process ---

    def start(self, tracer=(), environment=None, file_size=None):
        """TRACER: the beginning of a command line that also changes the user. FILE_SIZE: the limit
        of a file's bytes."""
        def limit():
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, most))

        self.link, theirs = socket.socketpair()
        self.link.settimeout(PATIENCE)
        queue = os.open(self.folder / "queue", os.O_RDONLY | os.O_DIRECTORY)
        command = [*tracer, self.programs / "ekiden-bounce", "-C", self.folder / "control", "-q",
                   str(queue)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=theirs, stderr=log, pass_fds=[queue],
                                            env=environment,
                                            preexec_fn=limit if file_size else None,
                                            **({} if tracer else self.user))
        theirs.close()
        os.close(queue)
        return self

    def end(self):
        """The scheduler leaves."""
        self.link.close()
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.link.close()
        self.process = None
        self.received = b""

    # --- messages ---

    def queued(self, recipients, body=b"Subject: x\n\nhello\n", sender="ann@far.test", asked=b""):
        """Queues a message to RECIPIENTS, (address, mark) each, and returns its id. ASKED: records
        behind the sender; those behind a recipient may stand in his address."""
        before = set(os.listdir(self.folder / "queue/new"))
        envelope = b"F" + as_bytes(sender) + b"\0" + asked
        envelope += b"".join(b"T" + as_bytes(address) + b"\0" for address, _ in recipients) + b"\0"
        (self.folder / "message").write_bytes(body)
        (self.folder / "envelope").write_bytes(envelope)
        with open(self.folder / "message") as zero, open(self.folder / "envelope") as one:
            subprocess.run([self.programs / "ekiden-queue", "-Q", self.folder / "queue"],
                           stdin=zero, stdout=one, check=True, **self.user)
        (name,) = set(os.listdir(self.folder / "queue/new")) - before
        self.seen.add(name)
        content = bytearray(self.path(name).read_bytes())
        at = content.index(b"\0F") + 1
        for address, mark in recipients:
            at = content.index(b"\0T" + as_bytes(address) + b"\0", at) + 1
            content[at:at + 1] = mark
            at += len(as_bytes(address))
        self.path(name).write_bytes(content)
        return name

    def path(self, name):
        return self.folder / "queue/new" / name

    def noted(self, name, *lines):
        """The notes of a message, each (letter, index, text)."""
        path = self.folder / "queue/notes" / name
        with open(path, "ab") as notes:
            for letter, index, text in lines:
                notes.write(b"\n%s %d %s\n" % (as_bytes(letter), index, as_bytes(text)))
        return path

    def failed(self, *reasons, **options):
        """A message with a recipient for each (address, text), all of which failed."""
        name = self.queued([(address, FAILED) for address, _ in reasons], **options)
        self.noted(name, *(("F", index, text) for index, (_, text) in enumerate(reasons)))
        return name

    def delayed(self, *reasons, **options):
        name = self.queued([(address, TODO) for address, _ in reasons], **options)
        self.noted(name, *(("D", index, text) for index, (_, text) in enumerate(reasons)))
        return name

    # --- orders and answers ---

    def order(self, name, kind="failure"):
        self.number += 1
        notes = self.folder / "queue/notes" / name
        notes.touch()
        self.send(b"%d\0%s\0%s\0" % (self.number, as_bytes(kind), as_bytes(name)),
                  [self.path(name), notes])
        return self.number

    def send(self, payload, paths):
        opened = [os.open(path, os.O_RDONLY) for path in paths]
        frame = struct.pack(">IH", len(payload), len(opened)) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", opened))]
        self.link.sendmsg([frame], rights if opened else [])
        for descriptor in opened:
            os.close(descriptor)

    def answer(self):
        """(number, letter, text)"""
        while len(self.received) < 6 or len(self.received) < 6 + self.announced():
            piece = self.link.recv(65536)
            if not piece:
                raise ConnectionError("the agent is gone:\n" + self.log_path.read_text())
            self.received += piece
        end = 6 + self.announced()
        number, letter, text, rest = self.received[6:end].split(b"\0")
        self.received = self.received[end:]
        assert rest == b""
        return int(number), letter.decode(), text.decode()

    def announced(self):
        length, descriptors = struct.unpack(">IH", self.received[:6])
        assert descriptors == 0
        return length

    def ask(self, name, kind="failure"):
        """(letter, text) of the answer to an order."""
        number = self.order(name, kind)
        answered, letter, text = self.answer()
        assert answered == number
        return letter, text

    def awake(self):
        """What the scheduler would have read from its FIFO."""
        return os.read(self.wake, 65536).decode()

    def new(self):
        """The names of what was queued by the agent since the last look."""
        names = set(os.listdir(self.folder / "queue/new")) - self.seen
        self.seen |= names
        return sorted(names)

    def report(self, name, kind="failure"):
        """The one report that an order brings."""
        letter, text = self.ask(name, kind)
        assert letter == "K", text
        (report,) = self.new()
        assert text == f"2.0.0 report {report}"
        return QueuedReport(self.path(report).read_bytes(), report)

    def events(self, event):
        lines = self.log_path.read_text().splitlines()
        found = [{key: value.strip('"') for key, value in FIELD.findall(line)} for line in lines]
        return [values for values in found if values.get("event") == event]

    def await_event(self, event):
        return wait_for(lambda: self.events(event), what=f"event {event}")


class QueuedReport(Report):
    """A queue file that holds a report."""

    def __init__(self, content, name):
        self.name = name
        head, message = content.split(b"\0\0", 1)
        records = head.split(b"\0")
        assert records[0] == b"ekiden1"
        self.flags = [record for record in records[2:] if record in (b"B", b"U")]
        rest = records[2 + len(self.flags):]
        self.sender, self.recipients = rest[0][1:], [record[1:] for record in rest[1:]]
        assert message[-81:].startswith(b"\nend ")
        super().__init__(message[:-81], HOST)
        assert self.message["Message-ID"] == f"<{name}@{HOST}>"
        assert self.bytes.split(b"\n\n")[0].isascii() or self.flags == [b"B", b"U"]


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def remove(bouncer):
    bouncer.kill()
    os.close(bouncer.wake)
    shutil.rmtree(bouncer.folder, ignore_errors=True)
