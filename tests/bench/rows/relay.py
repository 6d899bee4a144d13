"""Mail that comes in by SMTP and goes out to another server, Postfix's smtp-sink."""

import time

import servers
from mail_sink import Sink
from ports import free_port
from rows import Figure, Row, times
from rows.inbound import source
from servers import Setting

RECIPIENT = "someone@elsewhere.example"
PORT = free_port()


class Relay(Row):
    group, title = "relay", "relay: 4 KiB in by SMTP, 10 clients, one a connection; out to a sink"
    setting = Setting(relay=PORT)
    figures = (
        Figure("relayed", "end to end/s", 0, times("relayed", 2)),
        Figure("cpu", "CPU of the server, ms a message", 2, less_is_better=True),
    )

    def measure(self, server, options):
        cpu, count = server.cpu.seconds(), max(40, int(2000 * options.scale))
        with Sink(PORT) as sink:
            start = time.monotonic()
            source(server, 10, False, count, 4096, RECIPIENT)
            servers.wait_for(
                lambda: sink.counts()[1] >= count and server.queue_is_empty(),
                servers.PATIENCE, f"{server.name}: {count} messages at the sink")  # fmt: skip
            seconds = time.monotonic() - start
            if sink.counts()[1] != count:
                servers.complain(f"{server.name}: {sink.counts()[1]} of {count} messages")
        spent = None if cpu is None else server.cpu.seconds() - cpu
        return {"relayed": count / seconds, "cpu": None if cpu is None else 1000 * spent / count}


ROWS = (Relay(),)
