"""tests/bench/client.c, started and understood."""

import subprocess

PROGRAM = "tests/bench_client"  # below the build folder


def command(server, options, mode, **settings):
    """The command line. A setting that is True is an option without an argument."""
    line = [*server.prefix, options.build / PROGRAM, mode]
    for name, value in settings.items():
        if value is not None and value is not False:
            line += [f"--{name}"] if value is True else [f"--{name}", value]
    return [*map(str, line), f"127.0.0.1:{server.port}"]


def understood(text):
    found = dict(line.split("=", 1) for line in text.split() if "=" in line)
    return {key: float(value) for key, value in found.items()}


def run(server, options, mode, **settings):
    """What it measured, by its own names. RuntimeError where a connection failed."""
    done = subprocess.run(command(server, options, mode, **settings), capture_output=True,
                          text=True, timeout=600)  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"bench_client {mode}: {done.stderr.strip()[-300:]}")
    return understood(done.stdout)


class Idle:
    """`with Idle(...)`: so many connections that do nothing."""

    def __init__(self, server, options, clients, **settings):
        self.line = command(server, options, "idle", clients=clients, **settings)

    def __enter__(self):
        self.process = subprocess.Popen(self.line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)  # fmt: skip
        for line in self.process.stdout:
            if line == "errors=0\n":
                return self
        self.__exit__()
        raise RuntimeError("bench_client idle: not all connections were made")

    def __exit__(self, *_):
        self.process.communicate()
