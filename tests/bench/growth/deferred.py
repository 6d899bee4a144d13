"""Messages that wait for a server that is not there, in the queue through which new mail goes."""

import statistics
import subprocess

import full_queue
from growth import Curve, Plot
from place import Place


class Deferred(Curve):
    name, along = "deferred", "deferred messages (none is drawn as 1)"
    points, quick, tiny = (0, 100, 1000, 10_000, 30_000, 100_000), (0, 1000, 10_000), (0, 20)
    columns = {
        "started": "ms from the server's start until its scheduler has started",
        "first": "ms from there until a message that lay in new/ is delivered",
        "latency": "ms from connect until a new message is in its Maildir, median",
        "delivered": "new messages delivered a second, from 10 clients",
        "memory": "KiB that ekiden-send has for itself",
    }
    plots = (
        Plot("deferred", "New mail beside deferred messages", "ms",
             (("started", "start of the scheduler"), ("first", "delivery of what was new at the start"),
              ("latency", "SMTP to Maildir"))),
        Plot("deferred-rate", "New mail beside deferred messages", "delivered a second",
             (("delivered", "from 10 clients"),), linear=True),
    )

    def rows(self, points, options):
        for point in points:
            place = Place(options.places[-1], (1 << 30) + point * 5120, 2 * point + 100000)
            server = None
            try:
                server = full_queue.fill(place, options, point)
                yield point, self.measure(server, options)
            except subprocess.SubprocessError as problem:
                raise RuntimeError(f"{point} deferred: {problem}") from problem
            finally:
                if server:
                    server.stop()
                place.remove()

    def measure(self, server, options):
        started, first = full_queue.start(server)
        memory = server.scheduler().private_memory
        latency = statistics.median(server.latency() for _ in range(options.repeat(21)))
        return {"started": started, "first": first, "memory": memory, "latency": 1000 * latency,
                "delivered": full_queue.throughput(server, max(10, options.repeat(1500)))}
