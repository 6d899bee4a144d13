"""Ports for servers that cannot take a free one themselves."""

import random
import socket
from pathlib import Path


def free_port():
    """One that nobody has on any address of loopback. Not one of those that the system hands out: a
    connection of another test could have it before the server does."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    others = [port for port in range(10000, 65536) if not first <= port <= last]
    while True:
        port = random.choice(others)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
