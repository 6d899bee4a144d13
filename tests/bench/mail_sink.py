"""Postfix's smtp-sink: takes all mail there is, and counts."""

import os
import re
import subprocess
import tempfile

from ports import free_port
from servers import wait_for

LISTENING = "0A"  # in /proc/net/tcp


def is_listening(port):
    """Without a connection, which would be counted."""
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}") and fields[3] == LISTENING:
                return True
    return False


class Sink:
    """On all addresses of IPv4. It listens when it is made: mail that came before would be deferred."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.output = tempfile.TemporaryFile()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            ["smtp-sink", "-4", "-c", *user, f"0.0.0.0:{self.port}", "1000"],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: is_listening(self.port) or self.process.poll() is not None, 60, "smtp-sink")
            if self.process.returncode is not None:
                raise RuntimeError(f"smtp-sink ended: port {self.port} is not to be had")
        except RuntimeError:
            self.stop()
            raise

    def counts(self):
        """Sessions and messages so far."""
        size = os.fstat(self.output.fileno()).st_size
        text = os.pread(self.output.fileno(), 200, max(0, size - 200))
        found = re.findall(rb"sess=(\d+) quit=\d+ mesg=(\d+)\r", text)
        return tuple(map(int, found[-1])) if found else (0, 0)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
