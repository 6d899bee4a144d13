"""What every way of running Ekiden must show, whoever started it."""

import os
import re
import signal
import smtplib
import ssl

import contents
from instance import PATIENCE, wait_for

NO_CAPABILITIES = 0
# What the keeper may hold: CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT.
KEEPER_CAPABILITIES = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18

# Who an Ekiden process may be, by its program.
USERS = {
    "ekiden-smtpd": {"root", "ekidend", "ekidenq"},
    "ekiden-tls": {"root", "ekident", "ekidenk"},
    "ekiden-auth": {"ekidena"},
    "ekiden-judge": {"ekidenj"},
    "ekiden-spf": {"ekidenf"},
    "ekiden-send": {"ekidens", "ekident"},  # the latter starts ekiden-tls for deliveries
    "ekiden-local": {"ekidenl"},
    "ekiden-remote": {"ekidenr"},
    "ekiden-bounce": {"ekidenq"},
    "ekiden-launch": {"root"},  # reads no byte of a message
}
# CAP_SETGID, CAP_SETUID: what ekiden-launch may hold.
LAUNCHER_CAPABILITIES = 1 << 6 | 1 << 7


def message(text):
    return (
        f"From: you@example.net\r\nTo: anna@example.org\r\nSubject: {text}\r\n\r\n"
        ".a line with a dot\r\nund Wünsche\r\n"
    ).encode()


def deliver(machine, text, host="127.0.0.1", recipient="anna@example.org", mailbox="anna"):
    """One message by smtplib from inside; it must reach the Maildir, byte for byte."""
    before = len(machine.mailbox(mailbox))
    with machine.smtp(host=host) as client:
        client.sendmail("you@example.net", [recipient], text, ["BODY=8BITMIME"])
    found = machine.wait_for_mail(mailbox, before + 1)
    body = text.replace(b"\r\n", b"\n")
    arrived = [mail for mail in found if mail.endswith(body)]
    assert arrived, found
    trace = arrived[-1][: -len(body)].decode()
    assert trace.startswith("Return-Path: <you@example.net>\n"), trace
    assert re.search(r"^Received: from client\.example ", trace, re.M), trace
    assert (host in trace) or ":" in host, trace
    return trace


SERVER = "mail.example.org"  # in the certificate of INSTALL
USER_PORTS = (587, 2525, 465)


class User(smtplib.SMTP):
    """A user's mail program, greeted, with TLS, the certificate verified by name."""

    def __init__(self, machine, port, source=None):
        self.machine, self.to, self.source = machine, port, source
        chain = machine.path("/etc/ekiden/tls/default/chain.pem").read_text()
        self.context = ssl.create_default_context(cadata=chain)
        super().__init__(SERVER, port, local_hostname="client.example", timeout=PATIENCE)
        if port != 465:
            self.starttls(context=self.context)
        self.ehlo()

    def _get_socket(self, host, port, timeout):
        connected = self.machine.connect(self.to, source=self.source)
        if self.to != 465:
            return connected
        return self.context.wrap_socket(connected, server_hostname=SERVER)

    @property
    def certificate(self):
        return self.sock.getpeercert()


def password(machine):
    """That of anna, as INSTALL makes it."""
    return machine.path("/root/anna.password").read_text().rstrip("\n")


def submit(machine, port):
    """One message of a user, by name and password; it must reach the Maildir, byte for byte."""
    before = len(machine.mailbox("anna"))
    name = f"port-{port}-{before}"
    text = contents.message(name, b".a line with a dot\nund W\xc3\xbcnsche\n")
    with User(machine, port) as client:
        client.login("anna", password(machine))
        wire = text.replace(b"\n", b"\r\n")
        client.sendmail("anna@example.org", ["anna@example.org"], wire, ["BODY=8BITMIME"])
    found = machine.wait_for_mail("anna", before + 1)
    (arrived,) = [mail for mail in found if b"<%s@" % name.encode() in mail]
    contents.assert_same(arrived, text)
    assert re.search(rb" with ESMTPSA\s+\(TLSv1\.2 ECDHE-", arrived), arrived


def check_user_ports(machine, ports=USER_PORTS):
    """What INSTALL says of users' ports holds; without a password they take nothing."""
    for port in ports:
        submit(machine, port)
        with User(machine, port) as client:
            assert client.docmd("MAIL FROM:<anna@example.org>")[0] == 530
            assert client.docmd("AUTH PLAIN AGFubmEAd3Jvbmc=")[0] == 535

    def port_25_offers_tls():
        with machine.smtp() as client:
            assert "auth" not in client.esmtp_features
            return "starttls" in client.esmtp_features

    # A listener that was there before the certificate notices within a moment.
    wait_for(port_25_offers_tls, what="STARTTLS on port 25")


def users_of_processes(machine):
    """Checks what each process of Ekiden may, and returns how many each user has, or nothing while
    one of them is on its way to its user, its program or its fence."""
    names = machine.users()
    seen = {}
    for process in machine.processes():
        status = process.read("status")
        program = process.program  # after the status: behind its fence it is what it stays
        if program not in USERS or not status:
            continue
        uids = {int(uid) for uid in field(status, "Uid").split()}
        assert len(uids) == 1, f"{process}: Uid {uids}"
        user = names[uids.pop()]
        sets = [int(field(status, f"Cap{key}"), 16) for key in ("Inh", "Prm", "Eff", "Amb")]
        # The keeper, who starts engines and key process, or what one of them has just forked.
        if user == "root" and program in ("ekiden-smtpd", "ekiden-tls"):
            assert not machine.systemd or sets[2] & ~KEEPER_CAPABILITIES == 0, process
        elif program == "ekiden-launch":  # no filter: users' programs would inherit it
            if sets[2] != LAUNCHER_CAPABILITIES:
                return {}
            assert sets == [0, LAUNCHER_CAPABILITIES, LAUNCHER_CAPABILITIES, 0], f"{process}: {sets}"
            assert field(status, "CapBnd") == field(status, "CapEff"), process
            assert field(status, "NoNewPrivs") == "1" and field(status, "Groups") == "", process
        # tls-holder starts ekiden-tls, which brings its own filter.
        elif user not in USERS[program] or (
            field(status, "Seccomp") != "2" and field(status, "Name") != "tls-holder"
        ):
            return {}  # who stays so is never what is waited for
        seen[user] = seen.get(user, 0) + 1
        if user == "root":
            continue
        assert sets == [NO_CAPABILITIES] * 4, f"{process}: capabilities {sets}"
        assert field(status, "NoNewPrivs") == "1", process
        assert field(status, "Groups") == "", f"{process}: {status}"
    return seen


def field(status, name):
    return re.search(rf"^{name}:[ \t]*(.*)$", status, re.M).group(1).strip()


def check_processes(machine, keeper, count=1):
    """Holds COUNT sessions in the middle of a transaction and reads from /proc who they are.

    KEEPER is the user of ekiden-smtpd's first process. Everything that may see a byte of a client
    has a user of its own, no capability, no_new_privs and a seccomp filter.
    """
    held = []
    for _ in range(count):
        client = machine.smtp()
        client.docmd("MAIL FROM:<you@example.net>")
        client.docmd("RCPT TO:<anna@example.org>")
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: in progress\r\n\r\n")
        held.append(client)
    wanted = {keeper: 1, "ekidend": count, "ekidenq": count, "ekidens": 1, "ekidenl": 1}
    wanted["ekidenr"] = 1
    wanted["root"] = 1 + (keeper == "root")  # ekiden-launch

    def all_are_there():
        seen = users_of_processes(machine)
        return seen if all(seen.get(user, 0) >= wanted[user] for user in wanted) else None

    try:
        print(f"processes with {count} sessions: {wait_for(all_are_there, what=str(wanted))}")
    except AssertionError as error:
        found = [f"{one} {one.status('Uid')}, {one.status('Seccomp')}" for one in machine.processes()]
        raise AssertionError(f"{error}: {found}") from None
    for client in held:
        client.close()


def has_ended(machine, *names):
    """True once no Ekiden process (or none of these) is left."""
    return not [
        process
        for process in machine.processes()
        if (process.program in names if names else process.program.startswith("ekiden"))
    ]


def end(process):
    """TERM to what Machine.start started, and waits for it."""

    def children():
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            return file.read().split()

    wait_for(lambda: children() or process.poll() is not None, what="nsenter's child")
    for pid in children() if process.returncode is None else ():  # that child is the program
        os.kill(int(pid), signal.SIGTERM)
    return process.wait(PATIENCE)


def stop(machine, *started):
    """Ends what was started, last first; no process of Ekiden may be left behind."""
    for process in reversed(started):
        end(process)
    wait_for(lambda: has_ended(machine), what="that no process of Ekiden is left")
