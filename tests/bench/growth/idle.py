"""Connections that do nothing: their memory, and what a new one waits for beside them."""

import re
from pathlib import Path

import measure
import servers
from growth import Curve, Plot, Running
from rows.client import Idle, run

POSTFIX_MOST = 500  # at 1.7 MB each


def memory(server):
    """PSS of all its processes in KiB, or None where they have no control group, as without root."""
    return sum(map(measure.pss, server.cpu.members())) if server.cpu.folder else None


def kernel_memory():
    """KiB that the kernel has for processes and sockets, of the client too: stacks, page tables and
    what it does not give back. MemAvailable would tell more of the page cache than of these."""
    text = Path("/proc/meminfo").read_text()
    return sum(int(re.search(rf"^{key}:\s*(\d+)", text, re.M).group(1))
               for key in ("KernelStack", "PageTables", "SUnreclaim"))  # fmt: skip


def wait_for_end(server, before):
    """Until the sessions have ended. The processes of Postfix stay for the next client."""
    if server.name != "postfix":
        servers.wait_for(lambda: len(server.cpu.members()) <= before, servers.PATIENCE,
                         f"{server.name}: the end of the sessions")


class Connections(Curve):
    name, along = "idle", "idle connections"
    points, quick, tiny = (10, 20, 50, 100, 200, 500, 1000, 2000), (10, 100, 1000), (3, 10)
    columns = {
        "ekiden": "PSS in KiB behind the greeting, all processes together, less those without a connection",
        "ekiden-tls": "the same behind STARTTLS",
        "postfix": "the same of Postfix, behind the greeting",
        "ekiden-kernel": "KiB that the kernel has for them more, stacks, page tables, sockets (the client's too)",
        "ekiden-tls-kernel": "the same behind STARTTLS",
        "postfix-kernel": "the same with Postfix",
        "ekiden-greeting": "ms from connect to greeting of one more client, median",
        "postfix-greeting": "the same of Postfix",
    }
    plots = (
        Plot("idle", "Memory of idle connections", "PSS, KiB",
             (("ekiden", "Ekiden"), ("ekiden-tls", "Ekiden, STARTTLS"), ("postfix", "Postfix"),
              ("ekiden-kernel", "Ekiden: kernel beside it"))),
        Plot("idle-greeting", "Connect to greeting beside idle connections", "ms",
             (("ekiden-greeting", "Ekiden"), ("postfix-greeting", "Postfix")), linear=True),
    )

    def rows(self, points, options):
        with Running("tmpfs") as running:
            found = running.pair(options, servers.Setting(tls=True))
            for server in found.values():
                run(server, options, "handshakes", count=3)  # starts what all share
            empty = {name: memory(server) for name, server in found.items()}
            for point in points:
                for name, server in found.items():
                    if name == "postfix" and point > POSTFIX_MOST:
                        continue
                    for way in ("", "-tls") if name == "ekiden" else ("",):
                        yield point, self.measure(options, server, name + way, point, empty[name])

    def measure(self, options, server, name, point, empty):
        tls, before, kernel = name.endswith("tls"), len(server.cpu.members()), kernel_memory()
        with Idle(server, options, point, tls=tls, deadline=600):
            row = {f"{name}-kernel": kernel_memory() - kernel}
            if empty is not None:
                row[name] = memory(server) - empty
            if not tls:
                times = run(server, options, "greeting", count=options.repeat(300))
                row[f"{name}-greeting"] = times["p50-ms"]
        wait_for_end(server, before)
        return row
