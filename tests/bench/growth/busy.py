"""Clients that send all the time."""

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
              ("postfix-many", "Postfix, many a connection"))),
        Plot("busy-cpu", "CPU of a message from busy clients", "ms of the server",
             (("ekiden-cpu", "Ekiden, one a connection"), ("postfix-cpu", "Postfix, one a connection"),
              ("ekiden-many-cpu", "Ekiden, many a connection"),
              ("postfix-many-cpu", "Postfix, many a connection")), linear=True),
    )

    def rows(self, points, options):
        with Running("tmpfs") as running:
            found = running.pair(options)
            for server in found.values():
                inbound.deliver(server, 10, False, 20, 4096)  # the first messages start daemons
            for point in points:
                for name, server in found.items():
                    for way in ("", "-many"):
                        yield point, self.measure(options, server, name + way, point)

    def measure(self, options, server, name, point):
        many = name.endswith("many")
        count = max(4 * point, options.repeat(3000 if many else 1500))
        run = inbound.deliver(server, point, many, count, 4096)
        return {name: run["delivered"], f"{name}-cpu": run["cpu"]}
