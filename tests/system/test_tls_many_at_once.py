"""Many who ask for TLS while its service is slow: no delivery goes out in the clear for it, and no
client is told that there is none. Each request has four descriptors on their way, and the kernel
bounds how many of them the processes of a user may have."""

import os
import signal
import smtplib

import certificates
import pytest
from authority import Authority, key
from hostile_server import HostileServer
from instance import wait_for
from tls_service import context

DELIVERIES = 60
OWN_USER = 47203


def test_a_burst_waits_for_the_service(make_instance):
    good = context([Authority().issue("relay.test")], key())
    with HostileServer(tls=good, address="0.0.0.0") as relay:
        instance = make_instance({
            "relayclients": "127.0.0.0/8\n", "concurrencyremote": f"{2 * DELIVERIES}\n",
            # each a destination of its own: one alone would begin with few connections
            "smtproutes": "".join(f"far{i}.test:127.0.1.{i + 1}:{relay.port}\n"
                                  for i in range(DELIVERIES + 1)),
        })  # fmt: skip

        def submit(numbers):
            with smtplib.SMTP("127.0.0.1", instance.port) as client:
                for i in numbers:
                    client.sendmail("a@demo.example", f"u{i}@far{i}.test", "Subject: x\r\n\r\n")

        def ended():
            return [event for event in instance.log() if event.get("event") == "remote-attempt"]

        submit([0])  # the service starts with the first request
        wait_for(ended, what="the first delivery")
        service = [process for process in instance.all_processes()
                   if process.read("cmdline").startswith("ekiden-tls\0-c\0")]
        assert service
        for process in service:
            os.kill(process.pid, signal.SIGSTOP)
        submit(range(1, DELIVERIES + 1))
        wait_for(lambda: len(relay.sessions) > DELIVERIES
                 and all(session.commands for session in list(relay.sessions)),
                 what="all deliveries at EHLO")  # fmt: skip
        for process in service:
            os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: len(ended()) > DELIVERIES, what="the end of all deliveries")
        assert {(event["result"], event["tls"]) for event in ended()} == {("settled", "TLSv1.2")}


def unread(port):
    """The bytes that wait for the server's ends of connections to PORT."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows
               if row[1].endswith(f":{port:04X}") and row[3] == "01")


@pytest.mark.root  # to look at descriptors of processes that are closed to their own user
def test_a_burst_of_clients_waits_for_the_service(make_instance):
    instance = make_instance(start=False)
    if instance.user:  # as nobody other tests run, too, and the kernel counts for all of a user
        instance.user = (OWN_USER, OWN_USER)
        instance.give_away(instance.folder)
    certificates.put(instance)
    command = instance.command
    instance.command = lambda *words: ["prlimit", "--nofile=128:128", *command(*words)]
    instance.start()
    with instance.session() as client:  # the service starts with the first request
        assert client.command("STARTTLS").code == 220
    (service,) = instance.processes()["tls-template"]
    os.kill(service.pid, signal.SIGSTOP)
    clients = [instance.session() for _ in range(60)]
    for client in clients:
        client.send("STARTTLS\r\n")
    wait_for(lambda: unread(instance.port) == 0, what="sessions that have read the command")
    wait_for(lambda: len([process for process in instance.processes()["smtpd-dialogue"]
                          if len(os.listdir(f"/proc/{process.pid}/fd")) > 6]) >= 24,
             what="as many requests as are allowed")  # fmt: skip
    os.kill(service.pid, signal.SIGCONT)
    assert {client.reply().code for client in clients} == {220}
    for client in clients:
        client.close()
