"""What tests/bench/curves draws: how cost grows with work, a curve a module."""

from dataclasses import dataclass

import servers
from place import Place

MANY = "5000"  # more connections than any point has


@dataclass(frozen=True)
class Plot:
    """One picture: LINES are (column, what it is called). Both axes are logarithmic, with LINEAR only
    the horizontal one."""

    name: str
    title: str
    axis: str
    lines: tuple
    linear: bool = False


class Curve:
    """One data file. `points` are along the horizontal axis; the dictionary that `rows` yields for
    each of them has `columns`, and what could not be measured is left out."""

    name = along = None
    columns = {}  # name -> what it is, with its unit
    points = quick = tiny = ()
    plots = ()
    format = "%.0f"  # of the numbers along the axis
    ticks = ""  # where they stand, as gnuplot is told

    def chosen(self, options):
        """The points that OPTIONS ask for."""
        if options.points:
            return [int(point) for point in options.points.split(",")]
        return self.tiny if options.tiny else self.quick if options.quick else self.points

    def rows(self, points, options):
        """Yields (point, {column: value}), several for one point if need be."""
        raise NotImplementedError


class Ekiden(servers.Ekiden):
    """With more control files, MORE. The limits of connections are out of the way."""

    def __init__(self, folder, options, setting=servers.Setting(), **more):
        super().__init__(folder, options.build, options.separate, setting)
        self.more = {"concurrencyincoming": MANY, "concurrencyperip": MANY, **more}

    def control_files(self):
        more = {name: text + "\n" for name, text in self.more.items()}
        return {**servers.DEFAULTS, **super().control_files(), **more}


class Postfix(servers.Postfix):
    """Whose limit of processes is out of the way, and with more USERS."""

    def __init__(self, folder, setting=servers.Setting(), users=(servers.USER,)):
        super().__init__(folder, setting)
        self.postfix.users = users
        self.postfix.settings += f"default_process_limit = {MANY}\n"


class Running:
    """What is measured side by side: started on PLACE together, stopped together."""

    def __init__(self, kind, size=1 << 30):
        self.place, self.started = Place(kind, size), []

    def start(self, server):
        self.started.append(server)
        server.start()
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.started:
            server.stop()
        self.place.remove()

    def pair(self, options, setting=servers.Setting(), users=None, **more):
        """Ekiden, and Postfix where it is wanted and here, by what their columns begin with."""
        if users:
            more["users"] = "\n".join(users)
        folder = self.place.folder
        found = {"ekiden": self.start(Ekiden(folder / "ekiden", options, setting, **more))}
        if options.postfix:
            found["postfix"] = self.start(Postfix(folder / "postfix", setting, users or (servers.USER,)))
        return found
