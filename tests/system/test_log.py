"""The log: mail goes on without a reader (attack case L04)."""

import os
import signal
import subprocess

from instance import DOMAIN, SENDER, wait_for
from smtp_client import Client

MESSAGES = 300  # whose lines are several times what a pipe holds


def test_a_log_that_nobody_reads(make_instance):
    instance = make_instance(start=False)
    server = subprocess.Popen(
        instance.command("ekiden-serve", instance.folder, "--smtp", 0),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        cwd="/",
    )
    try:
        port = int(server.stdout.readline().split(b"=")[1])
        with Client(port) as client:
            client.greet()
            for number in range(MESSAGES):
                message = f"Subject: {number}\n\nbody\n".encode()
                assert client.deliver(SENDER, [f"alice@{DOMAIN}"], message).code == 250
        wait_for(lambda: len(instance.mail_files("alice")) == MESSAGES, instance.patience)
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(instance.patience) == 0
        server.stdout.close()
        server.stderr.close()
