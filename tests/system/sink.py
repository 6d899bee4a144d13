"""Postfix's smtp-sink, which takes mail with delays, errors and disconnects where it is told to."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from instance import wait_for


def read(path):
    """What smtp-sink has of a message; nothing when it threw it away, unfinished."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


class SmtpSink:
    """Always on the same address, its own, and the same port. FOLDER takes what it is sent."""

    def __init__(self, folder):
        self.folder = folder
        self.address = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
        with socket.create_server((self.address, 0)) as taken:
            self.port = taken.getsockname()[1]
        self.process = None

    def start(self, *options):
        """Begins, with a new folder for its messages."""
        self.dump = Path(tempfile.mkdtemp(prefix="sink-", dir=self.folder))
        self.dump.chmod(0o777)
        program = shutil.which("smtp-sink", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        listener = f"{self.address}:{self.port}"
        self.process = subprocess.Popen(
            [program, *user, "-d", f"{self.dump}/", *options, listener, "64"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def await_start(self):
        wait_for(lambda: self.process.poll() is not None or self.is_open(), what="smtp-sink")
        assert self.process.poll() is None

    def is_open(self):
        try:
            socket.create_connection((self.address, self.port), 5).close()
            return True
        except ConnectionRefusedError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def running(self, *options):
        """`with sink.running(...)`"""
        self.start(*options)
        self.await_start()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def messages(self, end):
        """Those that it has taken since its last start, to their END, whatever it said then. On top
        of each it puts what it knows of the session."""
        return [text for path in self.dump.iterdir() if end in (text := read(path))]
