#!/usr/bin/python3
"""Mail on its way through: in by SMTP from smtp-source, out by SMTP to smtp-sink.

    tests/bench/rows_relay.py [--servers ekiden,ekiden@FOLDER,postfix] [--places tmpfs,ext4]
                              [--cases one,many,domains,recipients] [--count 2000] [--rounds 3]

  one         everything goes to one server; it comes in by one message a connection
  many        the same; it comes in by many messages a connection, as in the cases that follow
  domains     50 domains, each with a server of its own: one sink on 50 addresses
  recipients  messages with 1000 recipients each, all at one server

`accepted` counts until the last 250, `relayed` until the sink has the last message and the queue is empty; in the last case it
counts recipients. The servers take turns. Nothing is asserted.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import measure  # noqa: E402  (found by the line above)
import servers  # noqa: E402
from place import Place  # noqa: E402

SIZE = 4096
DOMAINS = 50
RECIPIENTS = 1000
CASES = ("one", "many", "domains", "recipients")
FIELDS = ("accepted", "relayed", "cpu", "machine", "flushes", "connections")


class Sink:
    """smtp-sink on all addresses; it counts into a file."""

    def __init__(self, folder):
        self.port = servers.free_port()
        self.path = Path(folder) / "sink"
        self.start()

    def start(self):
        with open(self.path, "wb") as counters:
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            command = ["smtp-sink", "-c", "-4", *user, f"0.0.0.0:{self.port}", "1000"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=counters,
                                            stderr=subprocess.DEVNULL)

    def counts(self):
        """Sessions and messages so far."""
        with open(self.path, "rb") as counters:
            counters.seek(max(0, os.fstat(counters.fileno()).st_size - 100))
            found = re.findall(rb"sess=(\d+) quit=\d+ mesg=(\d+)", counters.read())
        return tuple(map(int, found[-1])) if found else (0, 0)

    def stop(self):
        self.process.kill()
        self.process.wait()


def prepare(server, case, port):
    """Says to SERVER, before it starts, where mail for CASE goes: to PORT."""
    addresses = {f"d{number}.test": f"127.0.1.{number}" for number in range(DOMAINS)}
    if isinstance(server, servers.Postfix):
        server.postfix.relay = port
        server.postfix.settings += "relayhost = [127.0.0.1]:{relay}\n"
        if case == "domains":
            maps = ", ".join(f"{domain}=smtp:[{address}]:{port}"
                             for domain, address in addresses.items())
            server.postfix.settings += f"transport_maps = inline:{{{{ {maps} }}}}\n"
        return
    folder = server.folder / "control"
    folder.mkdir(mode=0o755)
    routes = [f":127.0.0.1:{port}"]
    if case == "domains":
        routes += [f"{domain}:{address}:{port}" for domain, address in addresses.items()]
    for name, text in {"me": servers.DOMAIN, "locals": servers.DOMAIN, "users": servers.USER,
                       "relayclients": "127.0.0.0/8", "smtproutes": "\n".join(routes)}.items():
        (folder / name).write_text(text + "\n")


def source(server, clients, count, to, *more):
    command = ["smtp-source", "-4", "-s", clients, "-m", count, "-l", SIZE, *more,
               "-f", f"sender@{servers.DOMAIN}", "-t", to, f"127.0.0.1:{server.port}"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    problem = process.communicate(timeout=servers.PATIENCE)[1]
    if process.returncode != 0:
        raise RuntimeError("smtp-source: " + problem.strip()[-200:])


def send(server, case, count, clients):
    if case == "recipients":
        finish(source(server, 1, count, "someone@elsewhere.test", "-d", "-r", RECIPIENTS))
    elif case != "domains":
        more = ["-d"] if case == "many" else []
        finish(source(server, clients, count, "someone@elsewhere.test", *more))
    else:
        left = [f"someone@d{number}.test" for number in range(DOMAINS)]
        while left:
            now = [source(server, 1, count // DOMAINS, to, "-d") for to in left[:clients]]
            left = left[clients:]
            for process in now:
                finish(process)


def measure_relay(server, sink, place, case, count, clients):
    """One run of COUNT messages: the figures of FIELDS, CPU in ms a message (recipient)."""
    units = RECIPIENTS * count if case == "recipients" else count
    device = measure.device_of(place.folder)
    flushes, machine, cpu = measure.flushes(device), measure.machine_seconds(), server.cpu.seconds()
    sessions, messages = sink.counts()
    wanted = messages + count
    start = time.monotonic()
    send(server, case, count, clients)
    accepted = time.monotonic() - start
    servers.wait_for(lambda: sink.counts()[1] >= wanted and server.queue_is_empty(),
                     servers.PATIENCE, f"{server.name}: {count} messages relayed")
    seconds = time.monotonic() - start
    machine = measure.machine_seconds() - machine
    if case != "recipients" and sink.counts()[1] != wanted:
        servers.complain(f"{server.name}: {sink.counts()[1] - messages} of {count} messages")
    return {
        "accepted": units / accepted,
        "relayed": units / seconds,
        "cpu": None if cpu is None else 1000 * (server.cpu.seconds() - cpu) / units,
        "machine": 1000 * machine / units,
        "flushes": None if flushes is None else (measure.flushes(device) - flushes) / units,
        "connections": (sink.counts()[0] - sessions) / count,
    }


# --- the program ---


def median(rounds):
    found = {}
    for field in FIELDS:
        values = [one[field] for one in rounds if one[field] is not None]
        found[field] = statistics.median(values) if values else None
    return found


def shown(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def print_row(place, case, name, found, rival):
    line = (f"{place:5} {case:10} {name:14} {shown(found['accepted'], 0):>8} "
            f"{shown(found['relayed'], 0):>8} "
            f"{shown(found['cpu'], 3):>7} {shown(found['machine'], 3):>7} "
            f"{shown(found['flushes'], 2):>7} {shown(found['connections'], 3):>11}")
    if rival and found is not rival:
        line += f" | {found['relayed'] / rival['relayed']:.2f}"
        if found["cpu"] and rival["cpu"]:
            line += f" {found['cpu'] / rival['cpu']:.2f}"
    print(line, flush=True)


def run_case(kind, case, options):
    place = Place(kind)
    sink = Sink(place.folder)
    started, rounds = [], {}
    count = options.count if kind == "tmpfs" else max(DOMAINS, options.count // 2)
    count = max(1, count // 200) if case == "recipients" else count
    try:
        for name in options.servers:
            server = servers.make(name, place.folder / name.replace("/", "-"), options.build)
            started.append(server)
            rounds[server.name] = []
            prepare(server, case, sink.port)
            server.start()
            measure_relay(server, sink, place, case, 1 if case == "recipients" else 50, 10)
        for _ in range(options.rounds):
            for server in started:
                found = measure_relay(server, sink, place, case, count, options.clients)
                rounds[server.name].append(found)
    finally:
        for server in started:
            server.stop()
            if options.keep_logs:
                shutil.copy(server.folder / "log", f"{options.keep_logs}.{server.folder.name}")
        sink.stop()
        place.remove()
    found = {name: median(results) for name, results in rounds.items()}
    for name, figures in found.items():
        print_row(kind, case, name, figures, found.get("postfix"))


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = Path(__file__).resolve().parents[2]
    build = root / os.environ.get("EKIDEN_BUILD", "build")
    parser.add_argument("--build", type=Path, default=build)
    parser.add_argument("--servers", default="ekiden,postfix")
    parser.add_argument("--places", default="tmpfs,ext4")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--count", type=int, default=2000, help="messages; half of it on ext4")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep-logs", metavar="PREFIX", help="copy the logs to PREFIX.NAME")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.servers = options.servers.split(",")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` cleans up
    print(f"{'place':5} {'case':10} {'server':14} {'accepted':>8} {'relayed':>8} {'cpu ms':>7} "
          f"{'machine':>7} {'flushes':>7} {'connections':>11} | x Postfix: relayed, cpu", flush=True)
    for kind in options.places.split(","):
        for case in options.cases.split(","):
            run_case(kind, case, options)


if __name__ == "__main__":
    main()
