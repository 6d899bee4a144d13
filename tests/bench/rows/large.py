"""One message of 50 MB, in the clear and over TLS."""

import time

import servers
from rows import Figure, Row, best
from rows.client import run
from servers import Setting

SIZE = 50_000_000


class Large(Row):
    """`accepted` is to the 250, `delivered` to the file in Maildir/new and the empty queue."""

    group = "large"
    setting = Setting(tls=True, large=True)

    def __init__(self, group, title, tls):
        self.group, self.title, self.tls = group, title, tls
        self.figures = (
            Figure("accepted", "accepted, MB/s", 0, best("accepted")),
            Figure("delivered", "delivered, MB/s", 0, best("delivered")),
            Figure("cpu", "CPU of the server, ms a MB", 2, less_is_better=True),
        )

    def can(self, server):
        return server.name != "opensmtpd"

    def measure(self, server, options):
        server.empty()
        cpu, size = server.cpu.seconds(), SIZE // 10 if options.scale < 0.2 else SIZE
        start = time.monotonic()
        found = run(server, options, "send", clients=1, count=1, size=size, tls=self.tls)
        servers.wait_for(
            lambda: server.queue_is_empty() and server.delivered() == 1,
            servers.PATIENCE, f"{server.name}: a message of {size} bytes")  # fmt: skip
        delivered = time.monotonic() - start
        megabytes = size / 1e6
        spent = None if cpu is None else server.cpu.seconds() - cpu
        return {
            "accepted": 1000 * megabytes / found["p50-ms"],
            "delivered": megabytes / delivered,
            "cpu": None if cpu is None else 1000 * spent / megabytes,
        }


ROWS = (
    Large("large", "a message of 50 MB, tmpfs", False),
    Large("large-tls", "a message of 50 MB over STARTTLS, tmpfs", True),
)
