"""Many deliveries that ask for TLS while its service is slow: none of them goes out in the clear for
it. Each request has four descriptors on their way, and the kernel bounds how many of them the
processes of a user may have."""

import os
import signal
import smtplib

from authority import Authority, key
from hostile_server import HostileServer
from instance import wait_for
from tls_service import context

DELIVERIES = 60


def test_a_burst_waits_for_the_service(make_instance):
    good = context([Authority().issue("relay.test")], key())
    with HostileServer(tls=good) as relay:
        instance = make_instance({
            "relayclients": "127.0.0.0/8\n", "concurrencyremote": f"{2 * DELIVERIES}\n",
            "smtproutes": f":127.0.0.1:{relay.port}\n",
        })  # fmt: skip

        def submit(number):
            with smtplib.SMTP("127.0.0.1", instance.port) as client:
                for i in range(number):
                    client.sendmail("a@demo.example", f"u{i}@far{i}.test", "Subject: x\r\n\r\n")

        def ended():
            return [event for event in instance.log() if event.get("event") == "remote-attempt"]

        submit(1)  # the service starts with the first request
        wait_for(ended, what="the first delivery")
        service = [process for process in instance.all_processes()
                   if process.read("cmdline").startswith("ekiden-tls\0-c\0")]
        assert service
        for process in service:
            os.kill(process.pid, signal.SIGSTOP)
        submit(DELIVERIES)
        wait_for(lambda: len(relay.sessions) > DELIVERIES
                 and all(session.commands for session in list(relay.sessions)),
                 what="all deliveries at EHLO")  # fmt: skip
        for process in service:
            os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: len(ended()) > DELIVERIES, what="the end of all deliveries")
        assert {(event["result"], event["tls"]) for event in ended()} == {("settled", "TLSv1.2")}
