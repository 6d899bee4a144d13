#!/usr/bin/python3
"""Mail on its way through: in by SMTP from smtp-source, out by SMTP to smtp-sink.

    tests/bench/rows_relay.py [--servers ekiden,ekiden@FOLDER,postfix] [--places tmpfs,ext4]
                              [--cases one,many,domains,recipients,spread] [--count 2000] [--rounds 3]

  one         everything goes to one server; it comes in by one message a connection
  many        the same; it comes in by many messages a connection, as in the cases that follow
  domains     50 domains, each with a server of its own: one sink on 50 addresses
  recipients  messages with 1000 recipients each, all at one server
  spread      the same, each recipient at a server of its own

`accepted` counts until the last 250, `relayed` until the sink has the last message and the queue is
empty; in the last two cases it counts recipients. The servers take turns. Nothing is asserted.
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
from smtp_client import Client  # noqa: E402

SIZE = 4096
RECIPIENTS = 1000
DOMAINS = {"domains": 50, "spread": RECIPIENTS}
CASES = ("one", "many", "domains", "recipients", "spread")
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


def domains_of(case):
    return [f"d{number}.test" for number in range(DOMAINS.get(case, 0))]


def prepare(server, case, port):
    """Says to SERVER, before it starts, where mail for CASE goes: to PORT."""
    addresses = {domain: f"127.1.{number >> 8}.{number & 255}"
                 for number, domain in enumerate(domains_of(case))}
    if isinstance(server, servers.Postfix):
        server.postfix.relay = port
        server.postfix.settings += "relayhost = [127.0.0.1]:{relay}\n"
        if addresses:
            maps = [f"{domain} smtp:[{address}]:{port}" for domain, address in addresses.items()]
            table = server.folder / "transport"
            table.write_text("\n".join(maps) + "\n")
            server.postfix.settings += f"transport_maps = texthash:{table}\n"
        return
    folder = server.folder / "control"
    folder.mkdir(mode=0o755)
    routes = [f":127.0.0.1:{port}"]
    if addresses:
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


def send_spread(server, count):
    with Client(server.port, timeout=servers.PATIENCE) as client:
        client.greet("client.example")
        for _ in range(count):
            commands = [f"MAIL FROM:<sender@{servers.DOMAIN}>", "DATA"]
            commands[1:1] = [f"RCPT TO:<someone@{domain}>" for domain in domains_of("spread")]
            client.send("".join(f"{command}\r\n" for command in commands))
            answers = [client.reply().code for _ in commands]
            client.send(b"Subject: spread\r\n\r\n" + b"X" * 70 + b"\r\n.\r\n")
            if max(answers) > 354 or client.reply().code != 250:
                raise RuntimeError(f"refused: {answers}")
        client.quit()


def send(server, case, count, clients):
    to = "someone@elsewhere.test"
    if case == "spread":
        send_spread(server, count)
    elif case == "recipients":
        finish(source(server, 1, count, to, "-d", "-r", RECIPIENTS))
    elif case == "domains":
        left = [f"someone@{domain}" for domain in domains_of(case)]
        each = count // len(left)
        while left:
            now = [source(server, 1, each, to, "-d") for to in left[:clients]]
            left = left[clients:]
            for process in now:
                finish(process)
    else:
        finish(source(server, clients, count, to, *(["-d"] if case == "many" else [])))


def measure_relay(server, sink, place, case, count, clients):
    """One run of COUNT messages: the figures of FIELDS, CPU in ms a message (recipient)."""
    units = RECIPIENTS * count if case in ("recipients", "spread") else count
    device = measure.device_of(place.folder)
    flushes, machine, cpu = measure.flushes(device), measure.machine_seconds(), server.cpu.seconds()
    sessions, messages = sink.counts()
    wanted = messages + (units if case == "spread" else count)
    start = time.monotonic()
    send(server, case, count, clients)
    accepted = time.monotonic() - start
    servers.wait_for(lambda: sink.counts()[1] >= wanted and server.queue_is_empty(),
                     servers.PATIENCE, f"{server.name}: {count} messages relayed")
    seconds = time.monotonic() - start
    machine = measure.machine_seconds() - machine
    if case != "recipients" and sink.counts()[1] != wanted:
        servers.complain(f"{server.name}: {sink.counts()[1] - messages} for {wanted - messages}")
    return {
        "accepted": units / accepted,
        "relayed": units / seconds,
        "cpu": None if cpu is None else 1000 * (server.cpu.seconds() - cpu) / units,
        "machine": 1000 * machine / units,
        "flushes": None if flushes is None else (measure.flushes(device) - flushes) / units,
        "connections": (sink.counts()[0] - sessions) / units,
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
    count = options.count if kind == "tmpfs" else max(50, options.count // 2)
    few = case in ("recipients", "spread")
    count = max(1, count // 400) if few else count
    try:
        for name in options.servers:
            server = servers.make(name, place.folder / name.replace("/", "-"), options.build)
            started.append(server)
            rounds[server.name] = []
            prepare(server, case, sink.port)
            server.start()
            measure_relay(server, sink, place, case, 1 if few else 50, 10)
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
