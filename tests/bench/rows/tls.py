"""Handshakes: STARTTLS, TLS 1.2, ECDHE with P-256, a P-256 key."""

from rows import Figure, Row
from rows.client import run
from servers import Setting


class Handshakes(Row):
    """Connect, greeting, EHLO, STARTTLS, handshake, QUIT."""

    setting = Setting(tls=True)
    figures = (
        Figure("rate", "handshakes/s"),
        Figure("cpu", "CPU of the server, ms a handshake", 2, less_is_better=True),
    )

    def __init__(self, group, title, resume):
        self.group, self.title, self.resume = group, title, resume

    def can(self, server):
        return server.name != "opensmtpd"

    def measure(self, server, options):
        cpu = server.cpu.seconds()
        count = max(20, int(1000 * options.scale))
        found = run(server, options, "handshakes", clients=10, count=count, resume=self.resume)
        if self.resume and found["resumed"] < count - 10:  # each client's first one is a full one
            return {"rate": None, "cpu": None}
        spent = None if cpu is None else server.cpu.seconds() - cpu
        return {"rate": found["a-second"], "cpu": None if cpu is None else 1000 * spent / count}


ROWS = (
    Handshakes("handshakes", "STARTTLS, full handshakes, P-256, TLS 1.2; 10 clients", False),
    Handshakes("resumed", "the same, resumed", True),
)
