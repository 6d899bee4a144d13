"""The scheduler's end of an agent's socket: jobs go in, answers come out (deliver/job.h)."""

import array
import os
import re
import socket
import struct
import subprocess

from instance import PATIENCE

# As root programs are run as somebody who owns nothing.
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


class Queued:
    """A queue file as ekiden-queue made it, with what a job must know of it."""

    def __init__(self, programs, queue, message, sender="ann@far.test",
                 recipients=("bob@local.test",)):
        new = queue / "new"
        for folder in (queue, new, queue / "notes"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        before = set(os.listdir(new))
        envelope = b"F" + as_bytes(sender) + b"\0"
        envelope += b"".join(b"T" + as_bytes(one) + b"\0" for one in recipients) + b"\0"
        (queue / "message").write_bytes(message)
        (queue / "envelope").write_bytes(envelope)
        with open(queue / "message", "rb") as zero, open(queue / "envelope", "rb") as one:
            subprocess.run([programs / "ekiden-queue", "-Q", queue], stdin=zero, stdout=one,
                           check=True, **NOBODY)
        (name,) = set(os.listdir(new)) - before
        self.path = new / name
        end = re.fullmatch(rb"\nend (\d{20}) (\d{20}) ([0-9a-f]{16}) ([0-9a-f]{16})\n",
                           self.path.read_bytes()[-81:])
        self.offset, self.length = int(end[1]), int(end[2])
        self.sum = end[4]
        self.sender = sender


class Link:
    """Ours and theirs are the two ends; the process is started with theirs as descriptor 0."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(PATIENCE)
        self.number = 0
        self.received = b""

    def send(self, payload, descriptors=()):
        frame = struct.pack(">IH", len(payload), len(descriptors)) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        self.ours.sendmsg([frame], rights if descriptors else [])

    def job(self, queued, account, extension="", recipient=None, sender=None, kind="s", flags=""):
        """Sends a job; returns its number."""
        self.number += 1
        local = f"{account}-{extension}" if extension else account
        fields = (self.number, kind, account, extension, recipient or f"{local}@local.test",
                  queued.sender if sender is None else sender, queued.offset, queued.length)
        payload = b"".join(as_bytes(str(field)) + b"\0" for field in fields)
        descriptor = os.open(queued.path, os.O_RDONLY)
        self.send(payload + queued.sum + b"\0" + as_bytes(flags) + b"\0", [descriptor])
        os.close(descriptor)
        return self.number

    def answer(self):
        """The next answer: (number, letter, text)."""
        while len(self.received) < 6 or len(self.received) < 6 + self.announced():
            piece = self.ours.recv(65536)
            assert piece, "the agent is gone"
            self.received += piece
        end = 6 + self.announced()
        number, letter, text, rest = self.received[6:end].split(b"\0")
        self.received = self.received[end:]
        assert rest == b""
        return int(number), letter.decode(), text.decode()

    def announced(self):
        return struct.unpack(">I", self.received[:4])[0]

    def answers(self, count):
        """COUNT answers by their number: {number: (letter, text)}."""
        return {number: (letter, text)
                for number, letter, text in (self.answer() for _ in range(count))}
