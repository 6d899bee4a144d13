"""A server on a queue full of deferred messages, all for a server that is not there; for tests/bench/queue
and tests/bench/curves."""

import os
import signal
import statistics
import subprocess
import time

import measure
import servers
from instance import processes_of_session
from smtp_client import Client

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SLOTS, SLOT_SECONDS = 512, 64
BODY = b"Subject: bench\n\n" + b"0123456789 abcdefghijklmnopqrstuvwxyz\n" * 100
ELSEWHERE = "someone@gone.example"


class Server(servers.Ekiden):
    """Nobody listens where it sends mail for other domains to."""

    def start(self):
        control = self.folder / "control"
        control.mkdir(mode=0o755, exist_ok=True)
        for name, text in {"me": servers.DOMAIN, "locals": servers.DOMAIN, "users": servers.USER,
                           "rcpthosts": f"{servers.DOMAIN}\ngone.example",
                           "smtproutes": ":127.0.0.1:1"}.items():
            (control / name).write_text(text + "\n")
        self.began = time.monotonic()
        super().start()

    def scheduler(self):
        """ekiden-send's process."""
        found = [one for one in processes_of_session(self.process.pid) if one.comm == "ekiden-send"]
        return min(found, key=lambda one: one.pid) if found else None

    def send(self, recipient):
        with Client(self.port) as client:
            client.greet("client.example")
            answer = client.deliver("sender@elsewhere.example", [recipient], BODY)
            if answer.code != 250:
                raise RuntimeError(f"not taken: {answer}")
            client.quit()

    def latency(self):
        """Seconds until a message is in its Maildir."""
        before, start = self.delivered(), time.monotonic()
        self.send(f"{servers.USER}@{servers.DOMAIN}")
        wait_for(lambda: self.delivered() > before, "a delivery")
        return time.monotonic() - start


def wait_for(condition, what, seconds=600):
    """As servers.wait_for, but what is timed is not rounded to its steps."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.0005)


def name_of(number):
    """The name of a queue file, NUMBER of them behind each other."""
    value, name = int(time.time() * 1e6) << 45 | number, ""
    for _ in range(20):
        name, value = ALPHABET[value & 31] + name, value >> 5
    return name


def deferred_file(queue):
    return next((path for path in queue.glob("wheel/*/*") if len(path.name) == 20), None)


def fill(place, options, count):
    """A folder with a queue of COUNT deferred messages, due in half an hour to eight hours, and one
    new message."""
    server = Server(place.folder / "ekiden", options.build, os.geteuid() == 0)
    server.start()
    server.send(ELSEWHERE)
    queue = server.folder / "queue"
    wait_for(lambda: deferred_file(queue), "a deferred message")
    server.stop()
    model = deferred_file(queue)
    content, owner = model.read_bytes(), model.stat()
    model.unlink()
    now = int(time.time())
    for number in range(count):
        due = now + 1800 + number * 27000 // count
        path = queue / "wheel" / f"{due // SLOT_SECONDS % SLOTS:03d}" / name_of(number)
        path.write_bytes(content)
        os.chmod(path, owner.st_mode & 0o777)
        os.chown(path, owner.st_uid, owner.st_gid)
    os.sync()
    return server


def one_new_message(server):
    """Lies in new/ before the server starts."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -Q "$1" <"$2" 1<"$3"', server.build / "ekiden-queue",
         server.folder / "queue", server.folder / "message", server.folder / "envelope"],
        stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def start(server):
    """Starts it. Returns (started, first) in ms."""
    (server.folder / "message").write_bytes(BODY)
    (server.folder / "envelope").write_bytes(
        f"Fsender@elsewhere.example\0T{servers.USER}@{servers.DOMAIN}\0\0".encode())
    if not one_new_message(server):
        raise RuntimeError("ekiden-queue did not take the first message")
    before, starts = server.delivered(), server.log_text().count("ekiden-send: event=started ")
    server.start()
    wait_for(lambda: server.log_text().count("ekiden-send: event=started ") > starts, "a start")
    started = time.monotonic() - server.began
    wait_for(lambda: server.delivered() > before, "the first delivery")
    return 1000 * started, 1000 * (time.monotonic() - server.began)


def throughput(server, count):
    server.empty()
    command = ["smtp-source", "-4", "-s", "10", "-m", str(count), "-l", "4096", "-f",
               "sender@elsewhere.example", "-t", f"{servers.USER}@{servers.DOMAIN}",
               f"127.0.0.1:{server.port}"]
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    wait_for(lambda: server.delivered() >= count, f"{count} deliveries")
    return count / (time.monotonic() - begin)


def sweep(server, place, count):
    """All deferred messages are tried and deferred. Returns (seconds, latencies, flushes of one)."""
    before = server.log_text().count("event=deferred ")
    device = measure.device_of(place.folder)
    flushes, begin, latencies = measure.flushes(device), time.monotonic(), []
    os.kill(server.scheduler().pid, signal.SIGALRM)
    while server.log_text().count("event=deferred ") < before + count:
        if time.monotonic() > begin + 900:
            raise RuntimeError("the deferred messages were not all tried in 900 s")
        latencies.append(server.latency())
        time.sleep(0.05)
    seconds = time.monotonic() - begin
    flushed = None if flushes is None else measure.flushes(device) - flushes
    return seconds, latencies, flushed


def milliseconds(values):
    return f"{1000 * statistics.median(values):.1f}" if values else "-"
