"""ekiden-spf by itself: asks it as a session does, and by hand."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections import namedtuple

from instance import PATIENCE, SANITIZER

# As on the wire; all text. CODE: how the program ended.
Answer = namedtuple("Answer", "result explanation problem trail")
KILOBYTES = re.compile(rb"VmHWM:\s*(\d+) kB")


class Asker:
    """Asks ekiden-spf, whose name server is SERVER (name_server.NameServer)."""

    def __init__(self, folder, build, server, **control):
        self.program = folder / "ekiden-spf"
        if not self.program.exists():
            shutil.copy2(build / "ekiden-spf", self.program)
        self.control = folder / f"control-{server.port}-{len(list(folder.iterdir()))}"
        self.control.mkdir()
        for path in (folder, self.control, self.program):
            path.chmod(0o755)
        files = {"nameservers": server.endpoint, "me": "receiver.example", **control}
        for name, text in files.items():
            (self.control / name).write_text(f"{text}\n")
        self.process = None

    def start(self, *arguments, channel=subprocess.DEVNULL, **options):
        self.process = subprocess.Popen([self.program, "-C", self.control, *arguments],
                                        stdin=channel, stderr=subprocess.PIPE, **options)
        return self.process

    def exchange(self, question):
        """Writes the octets QUESTION. What comes back, and how the program ended."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self.start(channel=theirs)
            ours.settimeout(PATIENCE)
            try:
                ours.sendall(question)
                ours.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has read enough
            answer = b""
            try:
                while more := ours.recv(65536):
                    answer += more
            except ConnectionResetError:
                pass
        errors = process.communicate(timeout=PATIENCE)[1].decode()
        assert not SANITIZER.search(errors), errors
        return answer, process.returncode, errors

    def __call__(self, address, helo, sender):
        """The answer to a question as a session asks it."""
        fields = [field.encode() if isinstance(field, str) else field
                  for field in (address, helo, sender)]
        answer, code, errors = self.exchange(b"".join(field + b"\0" for field in fields))
        assert code == 0, (code, errors)
        *texts, rest = answer.decode("ascii").split("\0")
        assert rest == "" and all(text.isprintable() for text in texts), answer
        return Answer(*texts)

    def by_hand(self, address, helo, sender):
        """The lines that are printed, into a file."""
        with tempfile.TemporaryFile() as file:
            process = self.start(address, helo, sender, stdout=file)
            errors = process.communicate(timeout=PATIENCE)[1]
            assert process.returncode == 0 and not errors, (process.returncode, errors)
            file.seek(0)
            return file.read().decode("ascii").splitlines()

    def status(self):
        """/proc/PID/status of the program that runs."""
        with open(f"/proc/{self.process.pid}/status", "rb") as file:
            return file.read()

    def most_memory(self):
        """The most memory that it had resident so far, in KiB."""
        return int(KILOBYTES.search(self.status()).group(1))


class Watch:
    """A behaviour of the name server: notes how much memory the asking program has taken, and
    answers rightly."""

    def __init__(self):
        self.asker, self.kilobytes = None, 0

    def __call__(self, question, packet):
        self.kilobytes = max(self.kilobytes, self.asker.most_memory())
        return [packet]


def vectors_missing(reason):
    """What a test does without the vectors: in CI that is a failure."""
    import pytest

    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
