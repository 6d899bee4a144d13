"""Clients that send all the time."""

import statistics

from growth import Curve, Plot, Running
from rows import inbound


class Clients(Curve):
    name, along = "busy", "clients that send all the time"
    points, quick, tiny = (10, 20, 50, 100, 200, 500), (10, 100, 500), (2, 5)
    columns = {
        "ekiden": "messages delivered a second, one a connection",
        "postfix": "the same of Postfix",
        "ekiden-many": "messages delivered a second, many a connection",
        "postfix-many": "the same of Postfix",
        "ekiden-cpu": "CPU of the server in ms a message, one a connection",
        "postfix-cpu": "the same of Postfix",
        "ekiden-many-cpu": "CPU of the server in ms a message, many a connection",
        "postfix-many-cpu": "the same of Postfix",
    }
    plots = (
        Plot("busy", "4 KiB messages from busy clients, on tmpfs", "delivered a second",
             (("ekiden", "Ekiden, one a connection"), ("postfix", "Postfix, one a connection"),
              ("ekiden-many", "Ekiden, many a connection"),
              ("postfix-many", "Postfix, many a connection")), linear=True),
        Plot("busy-cpu", "CPU of a message from busy clients", "ms of the server",
             (("ekiden-cpu", "Ekiden, one a connection"), ("postfix-cpu", "Postfix, one a connection"),
              ("ekiden-many-cpu", "Ekiden, many a connection"),
              ("postfix-many-cpu", "Postfix, many a connection")), linear=True),
    )

    def rows(self, points, options):
        with Running("tmpfs") as running:
            found = running.pair(options)
            for server in found.values():
                inbound.deliver(server, 10, False, options.repeat(500), 4096)  # the first messages start daemons
            for point in points:
                for name, server in found.items():
                    for way in ("", "-many"):
                        yield point, self.measure(options, server, name + way, point)

    def measure(self, options, server, name, point):
        """The medians of three runs. With many a connection each client sends ten at least: with fewer
        it would be their first ones, for which a process starts, that count."""
        many, runs = name.endswith("many"), []
        count = max(10 * point, options.repeat(3000)) if many else max(2 * point, options.repeat(1000))
        for _ in range(options.repeat(3)):
            runs.append(inbound.deliver(server, point, many, count, 4096))
        delivered, cpu = (statistics.median(run[key] or 0 for run in runs)
                          for key in ("delivered", "cpu"))  # fmt: skip
        return {name: delivered, f"{name}-cpu": cpu}
