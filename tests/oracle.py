"""What must hold after every test, whatever it did (the global oracles of the attack cases)."""

import re
import uuid

from instance import DOMAIN, SANITIZER, SENDER, wait_for

PRINTABLE = re.compile(r"[\x20-\x7e]*")
LINE = re.compile(r"ekiden[a-z-]*:? event=[a-z0-9_-]+( [A-Za-z_][A-Za-z0-9_-]*=(\"[^\"]*\"|\S*))*")
SIGNAL = re.compile(r"\bsignal=|SIGSYS|SIGSEGV|SIGABRT|Segmentation")


def check_log(instance, start=0):
    """The log from offset START: whole lines of printable ASCII, no crash, no sanitizer report."""
    text = instance.log_text()[start:]
    if instance.process:  # which may be writing its next line
        text = text[: text.rfind("\n") + 1]
    report = SANITIZER.search(text)
    assert not report, f"sanitizer report:\n{text[max(0, report.start() - 200):][:6000]}"
    for line in text.splitlines():
        assert PRINTABLE.fullmatch(line), f"log line with other than printable ASCII: {line!r}"
        assert LINE.fullmatch(line), f"not a line of key=value fields: {line!r}"
        if not instance.expected_signals:
            assert not SIGNAL.search(line), f"a process died by a signal: {line}"


def check_mail(instance):
    """A fresh and normal transaction passes, and its message arrives."""
    token = f"Subject: oracle {uuid.uuid4()}\n\nstill here\n".encode()
    known = set(instance.mail_files("alice"))

    def welcomed():
        """A session; or None while places of sessions that have just ended are still taken."""
        client = instance.connect()
        if client.reply().code == 421:
            return client.close()
        assert client.command("EHLO oracle.example").code == 250
        return client

    with wait_for(welcomed, instance.patience, "a welcome") as client:
        answer = client.deliver(SENDER, [f"alice@{DOMAIN}"], token)
        assert answer.code == 250, f"refused: {answer}\n{instance.log_text()[-2000:]}"
        client.quit()

    def arrived():
        for path in set(instance.mail_files("alice")) - known:
            if path.read_bytes().endswith(token):
                path.unlink()
                return True
        return False

    wait_for(arrived, instance.patience, "the arrival of a fresh message")


def check_end(instance):
    """The instance ends cleanly on SIGTERM and leaves no process."""
    if instance.process:
        if instance.accepts_mail:
            check_mail(instance)
        code = instance.stop()
        assert code == 0, f"ekiden-serve ended with {code}\n{instance.log_text()[-3000:]}"
    check_log(instance)
