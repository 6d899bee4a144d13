"""ekiden-remote and Postfix's smtp-sink: its delays, errors and disconnects at every stage."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from sink import SmtpSink

pytestmark = pytest.mark.needs("smtp-sink")
END = b"end of it"
BODY = b"Subject: x\n\n.dot\n" + END + b"\n"


@pytest.fixture(scope="module")
def send(scratch, build, request):
    """send(sink, *recipients, message=BODY): the letters of the report, and its first text."""
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    folder = Path(tempfile.mkdtemp(prefix="smtp-sink-", dir=scratch))
    folder.chmod(0o755)
    shutil.copy2(build / "ekiden-remote", folder)

    def run(sink, *recipients, message=BODY):
        control = Path(tempfile.mkdtemp(prefix="control-", dir=folder))
        control.chmod(0o755)
        (control / "me").write_text("us.example\n")
        (control / "smtproutes").write_text(f":{sink.address}:{sink.port}\n")
        arguments = ["y.example", "s@x.example", *(recipients or ["a@y.example"])]
        done = subprocess.run([folder / "ekiden-remote", "-C", control, *arguments], input=message,
                              capture_output=True, timeout=240)
        assert done.returncode == 0, done.stderr
        reports = [report.decode() for report in done.stdout.split(b"\0")[:-1]]
        return "".join(report[0] for report in reports), reports[0][1:]

    run.folder = folder
    return run


@pytest.mark.parametrize("options", [[], ["-p"], ["-e"], ["-8"], ["-P"], ["-w", "1"], ["-W", ".:1:0"]])
def test_mail_passes(send, options):
    """With and without extensions, and late."""
    with SmtpSink(send.folder).running(*options) as server:
        letters, text = send(server, "a@y.example", "b@y.example", message=b"X: y\n" * 10000 + BODY)
        assert letters == "rrK", text
        assert len(server.messages(END)) == 1


COMMANDS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-f", "-r", "-q", "-Q"])
def test_errors_and_disconnects(send, option, command):
    """-f says 5xx, -r 4xx, -Q 421 and goes, -q goes without a word."""
    with SmtpSink(send.folder).running(option, command) as server:
        letters, text = send(server)
        if option == "-f":
            expected = {"CONNECT": "sZ", "EHLO": "rK"}.get(command, "hD")
        else:
            expected = "sZ"
        assert letters == expected, text
        taken = server.messages(END)
        assert len(taken) == (1 if expected == "rK" or command == "." else 0)


@pytest.mark.parametrize("delay", ["0", "1"])
def test_refused_in_the_midst_of_the_message(send, delay):
    """-A: 550 while we are sending, and nothing is read any more."""
    with SmtpSink(send.folder).running("-A", delay) as server:
        letters, text = send(server, message=b"x" * 70 * 200000)
        assert letters == "hD" and "550" in text, text
        assert not server.messages(END)


@pytest.mark.parametrize("delay", ["1"])
def test_late_reader(send, delay):
    """-H: the message waits for the first read, in a small window."""
    message = b"x" * 70 + b"\n"
    with SmtpSink(send.folder).running("-H", delay, "-T", "4096") as server:
        letters, text = send(server, message=message * 20000 + BODY)
        assert letters == "rK", text
        assert len(server.messages(END)) == 1
