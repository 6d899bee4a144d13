"""Mail that comes in by SMTP and goes out to another server, Postfix's smtp-sink."""

import os
import re
import subprocess
import tempfile
import time

import servers
from ports import free_port
from rows import Figure, Row, times
from rows.inbound import source
from servers import Setting

RECIPIENT = "someone@elsewhere.example"
PORT = free_port()


class Sink:
    """Takes all there is, and counts."""

    def __init__(self):
        self.output = tempfile.TemporaryFile()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            ["smtp-sink", *user, "-c", f"127.0.0.1:{PORT}", "100"],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def messages(self):
        size = self.output.seek(0, os.SEEK_END)
        self.output.seek(max(0, size - 200))
        counts = re.findall(rb"mesg=(\d+)\r", self.output.read())
        return int(counts[-1]) if counts else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.output.close()


class Relay(Row):
    group, title = "relay", "relay: 4 KiB in by SMTP, 10 clients, one a connection; out to a sink"
    setting = Setting(relay=PORT)
    figures = (
        Figure("relayed", "end to end/s", 0, times("relayed", 2)),
        Figure("cpu", "CPU of the server, ms a message", 2, less_is_better=True),
    )

    def measure(self, server, options):
        cpu, count = server.cpu.seconds(), max(40, int(2000 * options.scale))
        with Sink() as sink:
            start = time.monotonic()
            source(server, 10, False, count, 4096, RECIPIENT)
            servers.wait_for(
                lambda: sink.messages() >= count and server.queue_is_empty(),
                servers.PATIENCE, f"{server.name}: {count} messages at the sink")  # fmt: skip
            seconds = time.monotonic() - start
            if sink.messages() != count:
                servers.complain(f"{server.name}: {sink.messages()} of {count} messages")
        spent = None if cpu is None else server.cpu.seconds() - cpu
        return {"relayed": count / seconds, "cpu": None if cpu is None else 1000 * spent / count}


ROWS = (Relay(),)
