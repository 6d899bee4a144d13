"""Mail that comes in by SMTP and ends in a Maildir, from smtp-source."""

import subprocess
import time

import measure
import servers
from rows import Aim, Figure, Row, at_most, times
from servers import Setting

SENDER = "sender@elsewhere.example"


def source(server, clients, many, count, size, recipient=None):
    """COUNT messages of SIZE bytes by CLIENTS at once; MANY: each in one connection for all."""
    command = [*server.prefix, "smtp-source", "-4", "-s", clients, "-m", count, "-l", size]
    command += ["-d"] if many else []
    command += ["-f", SENDER, "-t", recipient or server.recipient, f"127.0.0.1:{server.port}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError("smtp-source: " + done.stderr.strip()[-200:])


def deliver(server, clients, many, count, size):
    """One run. Rates are a second, CPU is ms a message, flushes are a message's.

    `accepted` counts until the last 250, `delivered` until the last file is in Maildir/new and the
    queue is empty. `cpu` is the server's, `machine` all that the machine spent, clients and kernel
    too; `others` is the share of all CPUs that neither the server nor the client used, in %.
    """
    server.empty()
    device = measure.device_of(server.folder)
    flushes, machine = measure.flushes(device), measure.machine_seconds()
    cpu, ours = server.cpu.seconds(), measure.own_seconds()
    start = time.monotonic()
    source(server, clients, many, count, size)
    accepted = time.monotonic() - start
    servers.wait_for(
        lambda: server.queue_is_empty() and server.delivered() >= count,
        servers.PATIENCE, f"{server.name}: {count} messages delivered")  # fmt: skip
    delivered = time.monotonic() - start
    machine = measure.machine_seconds() - machine
    spent = 0.0 if cpu is None else server.cpu.seconds() - cpu
    others = machine - spent - (measure.own_seconds() - ours)
    if server.delivered() != count:
        servers.complain(f"{server.name}: {server.delivered()} files of {count} messages")
    return {
        "accepted": count / accepted,
        "delivered": count / delivered,
        "cpu": None if cpu is None else 1000 * spent / count,
        "machine": 1000 * machine / count,
        "flushes": None if flushes is None else (measure.flushes(device) - flushes) / count,
        "others": 100 * max(0.0, others) / delivered / measure.CPUS,
    }


class Inbound(Row):
    """With each number of clients in turn, whose figures are told apart by `-CLIENTS`.

    FACTOR is how many times as many messages as Postfix are to be delivered; where it is a
    dictionary, with so many clients."""

    def __init__(self, group, title, clients, factor, many=False, size=4096, place="tmpfs",
                 cpu=None):  # fmt: skip
        self.group, self.title, self.clients = group, title, clients
        self.many, self.size = many, size
        self.setting = Setting(place=place)
        self.figures = tuple(figure for count in clients for figure in self.figures_of(
            count, factor.get(count) if isinstance(factor, dict) else factor, cpu))  # fmt: skip

    def figures_of(self, clients, factor, cpu):
        who = f"{clients} client{'s' if clients > 1 else ''}"
        yield Figure(f"accepted-{clients}", f"{who}: accepted/s")
        key = f"delivered-{clients}"
        yield Figure(key, f"{who}: delivered/s", 0, times(key, factor) if factor else None)
        key = f"machine-{clients}"
        aim = at_most(key, cpu) if cpu and clients == 10 else None
        yield Figure(key, f"{who}: CPU of the machine, ms a message", 2, aim, less_is_better=True)
        key = f"cpu-{clients}"
        yield Figure(key, f"{who}: CPU of the server, ms a message", 2, less_is_better=True)
        if self.setting.place != "tmpfs":
            key = f"flushes-{clients}"
            yield Figure(key, f"{who}: device flushes a message", 2, self.flushes_aim(clients),
                         less_is_better=True)  # fmt: skip

    def flushes_aim(self, clients):
        key, fewer = f"flushes-{clients}", f"flushes-{self.clients[0]}"
        if clients == self.clients[0]:
            return at_most(key, 2.2)
        return Aim(f"< with {self.clients[0]}",
                   lambda figures, name: figures[name][key] < figures[name][fewer])

    def count(self, clients, pace):
        """Messages a run: what takes some seconds."""
        count = 1000 if clients > 1 else 500
        count //= 2 if self.setting.place != "tmpfs" or self.size > 8192 else 1
        return max(4 * clients, int(count * pace))

    def measure(self, server, options):
        found = {}
        for clients in self.clients:
            count = self.count(clients, options.scale * server.pace)
            one = deliver(server, clients, self.many, count, self.size)
            found.update({f"{key}-{clients}": value for key, value in one.items()})
        return found


ROWS = (
    Inbound("one", "4 KiB, one message a connection, tmpfs", (1, 10, 50), {10: 2.5}, cpu=1.0),
    Inbound("many", "4 KiB, many messages a connection, tmpfs", (1, 10, 50), {10: 4}, many=True),
    Inbound("ext4", "4 KiB, one message a connection, ext4 with a journal", (10, 50),
            {10: 2, 50: 3}, place="ext4"),
    Inbound("64k", "64 KiB, one message a connection, tmpfs", (10,), 1.5, size=65536),
)
