"""One message to many mailboxes of this machine."""

import statistics
import time

import servers
from growth import Curve, Plot, Running
from rows.client import run

ADDRESS = f"user@{servers.DOMAIN}"


class Recipients(Curve):
    name, along = "recipients", "recipients of a message"
    points, quick, tiny = (1, 3, 10, 30, 100, 300, 1000), (1, 30, 1000), (1, 10)
    columns = {
        f"{server}{place}{what}": text
        for server in ("ekiden", "postfix")
        for place in ("", "-ext4")
        for what, text in (("", "ms until the message is in all mailboxes"),
                           ("-accepted", "ms until the 250"),
                           ("-cpu", "CPU of the server in ms"))  # fmt: skip
    }
    plots = (
        Plot("recipients", "A message of 4 KiB to many mailboxes", "ms until it is in the last",
             (("ekiden", "Ekiden, tmpfs"), ("postfix", "Postfix, tmpfs"),
              ("ekiden-ext4", "Ekiden, ext4"), ("postfix-ext4", "Postfix, ext4"))),
        Plot("recipients-cpu", "CPU of a message to many mailboxes", "ms of the server",
             (("ekiden-cpu", "Ekiden, tmpfs"), ("postfix-cpu", "Postfix, tmpfs"))),
    )

    def rows(self, points, options):
        most = max(points)
        users = ["user", *(f"user{number}" for number in range(most))]
        for kind in options.places:
            way = "" if kind == "tmpfs" else f"-{kind}"
            with Running(kind) as running:
                found = running.pair(options, users=users)
                self.make_mailboxes(options, running, found.values(), most)
                for point in points:
                    for name, server in found.items():
                        row = self.measure(options, server, point, options.repeat(20))
                        yield point, {name + way + key: value for key, value in row.items()}

    def make_mailboxes(self, options, running, found, most):
        """And makes them old: Ekiden makes one that was made within the hour durable whenever it opens
        it, because whoever made it may have been killed before he could."""
        for server in found:
            self.measure(options, server, most)
            server.stop()
        running.place.age(running.place.folder.glob("*/mail/*/Maildir"), 7200)
        for server in found:
            server.start()
            self.measure(options, server, most)

    def measure(self, options, server, point, times=1):
        """The medians of at least a third of TIMES, the mean of their CPU."""
        times = max((times + 2) // 3, min(times, 1000 // point))
        accepted, delivered, cpu = [], [], server.cpu.seconds()
        for _ in range(times):
            sent = run(server, options, "send", recipients=point, to=ADDRESS)
            accepted.append(sent["p50-ms"])
            self.wait(server)
            delivered.append(1000 * (time.monotonic() - sent["begun"]))
        found = {"": statistics.median(delivered), "-accepted": statistics.median(accepted)}
        if cpu is not None:
            found["-cpu"] = 1000 * (server.cpu.seconds() - cpu) / times
        return found

    @staticmethod
    def wait(server):
        """Until nothing of it is in the queue. servers.wait_for looks less often."""
        deadline = time.monotonic() + servers.PATIENCE
        while not server.queue_is_empty():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{server.name}: a message stays in the queue")
            time.sleep(0.001)
