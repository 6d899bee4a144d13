"""Connections without mail: how soon they are greeted, how many there can be, what they hold."""

import time

import measure
from rows import Figure, Row, at_least, at_most
from rows.client import Idle, run
from servers import Setting


class Greeting(Row):
    """From connect() to the greeting, one client, again and again."""

    group, title = "greeting", "connect to greeting"
    figures = (
        Figure("p50", "p50, ms", 3, at_most("p50", 0.13), less_is_better=True),
        Figure("p99", "p99, ms", 3, less_is_better=True),
    )

    def measure(self, server, options):
        count = max(20, int(1500 * options.scale * server.pace))
        found = run(server, options, "greeting", clients=1, count=count)
        return {"p50": found["p50-ms"], "p99": found["p99-ms"]}


class Connections(Row):
    """Connect, greeting, QUIT, 221."""

    group, title = "connections", "connect, greeting, QUIT; 20 clients"
    figures = (
        Figure("rate", "connections/s", 0, at_least("rate", 7000)),
        Figure("cpu", "CPU of the server, ms a connection", 3, less_is_better=True),
    )

    def measure(self, server, options):
        cpu = server.cpu.seconds()
        count = max(100, int(5000 * options.scale * server.pace))
        found = run(server, options, "connections", clients=20, count=count)
        spent = None if cpu is None else server.cpu.seconds() - cpu
        return {"rate": found["a-second"], "cpu": None if cpu is None else 1000 * spent / count}


class Memory(Row):
    """What the server's processes have (PSS) with MANY idle connections more than with FEW, a
    connection. FEW is not 0: then what is started once, with the first ones, would be counted.
    Each run has a server that was just started, so that none has processes left from before."""

    FEW, MANY = 10, 50
    setting = Setting(tls=True)

    def __init__(self, group, title, bound, tls):
        self.group, self.title, self.tls = group, title, tls
        self.figures = (
            Figure("pss", "PSS, KiB a connection", 0, at_most("pss", bound), less_is_better=True),
            Figure("processes", "processes a connection", 2, less_is_better=True),
        )

    def can(self, server):
        return server.cpu.folder is not None and not (self.tls and server.name == "opensmtpd")

    def measure(self, server, options):
        server.restart()
        found = []
        for clients in (self.FEW, self.MANY):
            with Idle(server, options, clients, ehlo=True, tls=self.tls):
                time.sleep(0.3)  # what is done behind the last reply: the figure, not the order
                members = server.cpu.members()
                found.append((sum(map(measure.pss, members)), len(members)))
        (few, some), (many, more) = found
        clients = self.MANY - self.FEW
        return {"pss": (many - few) / clients, "processes": (more - some) / clients}


ROWS = (
    Greeting(),
    Connections(),
    Memory("idle", "an idle connection, behind EHLO", 50, tls=False),
    Memory("idle-tls", "an idle connection with TLS", 200, tls=True),
)
