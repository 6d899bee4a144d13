"""Messages of all sizes."""

import servers
from growth import Curve, Plot, Running
from rows.client import run

KIB, GIB = 1 << 10, 1 << 30
BYTES_A_RUN = 64 << 20


class Sizes(Curve):
    name, along = "size", "bytes of a message"
    points = tuple(KIB << (2 * step) for step in range(11))
    format, ticks = "%.0b %BB", "set logscale x 2\nset xtics 1024, 32"
    quick, tiny = (KIB, 64 * KIB, 4 << 20, 64 << 20), (KIB, 1 << 20)
    columns = {
        "ekiden": "ms from connect to the 250, median",
        "ekiden-tls": "the same by STARTTLS",
        "postfix": "the same of Postfix",
        "postfix-tls": "the same of Postfix by STARTTLS",
        "ekiden-cpu": "CPU of the server in ms a message, delivery too",
        "ekiden-tls-cpu": "the same by STARTTLS",
        "postfix-cpu": "the same of Postfix",
        "postfix-tls-cpu": "the same of Postfix by STARTTLS",
    }
    plots = (
        Plot("size", "One message of any size, on tmpfs", "ms from connect to the 250",
             (("ekiden", "Ekiden"), ("postfix", "Postfix"), ("ekiden-tls", "Ekiden, TLS"),
              ("postfix-tls", "Postfix, TLS"))),
    )

    def rows(self, points, options):
        with Running("tmpfs") as running:
            found = running.pair(options, servers.Setting(tls=True, large=True))
            for server in found.values():
                self.measure(options, server, KIB, True, 10)
            for point in points:
                times = max(1, min(options.repeat(200), BYTES_A_RUN // point))
                for name, server in found.items():
                    for way in ("", "-tls"):
                        row = self.best(options, server, point, way == "-tls", times)
                        yield point, {name + way + key: value for key, value in row.items()}

    def best(self, options, server, size, tls, times):
        """Of each figure the least of two or three runs: where memory is touched for the first time,
        a machine that is virtual may take long."""
        runs = [self.measure(options, server, size, tls, times)
                for _ in range(1 if options.tiny else 2 if size == GIB else 3)]  # fmt: skip
        return {key: min(run[key] for run in runs) for key in runs[0]}

    def measure(self, options, server, size, tls, times):
        server.empty()
        cpu = server.cpu.seconds()
        sent = run(server, options, "send", size=size, count=times, deadline=600, tls=tls)
        servers.wait_for(lambda: server.delivered() == times and server.queue_is_empty(), 600,
                         f"{server.name}: {times} messages delivered")
        found = {"": sent["p50-ms"]}
        if cpu is not None:
            found["-cpu"] = 1000 * (server.cpu.seconds() - cpu) / times
        server.empty()
        return found
