"""Other ways to start Ekiden, beside the listener: rows that have servers of their own."""

from rows.connections import Connections, Greeting
from rows.inbound import Inbound

SERVERS = ("ekiden", "ekiden/systemd", "ekiden/tcpserver", "ekiden/each")


class Way:
    group, servers = "ways", SERVERS


class WayIn(Way, Inbound):
    """Without aims: they are the listener's."""

    def __init__(self):
        super().__init__("ways", "4 KiB, one message a connection, tmpfs", (10,), None)


class WayGreeting(Way, Greeting):
    figures = Greeting.figures[:1]


class WayConnections(Way, Connections):
    pass


ROWS = (WayIn(), WayGreeting(), WayConnections())
