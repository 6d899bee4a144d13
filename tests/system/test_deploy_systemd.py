"""The installation of INSTALL under a real systemd, with the shipped units of both kinds."""

import base64
import json
import os
import re
from pathlib import Path

import pytest

from deploy import (USER_PORTS, User, check_processes, check_user_ports, deliver, has_ended,
                    message, submit, users_of_processes)  # fmt: skip
from instance import PATIENCE, wait_for
from machine import ROOT, Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.heavy,  # a sanitizer build has no seccomp filter, and does not fit the units
    pytest.mark.needs("unshare", "nsenter", "ip", "systemd-sysusers"),
]

# Exposure by systemd-analyze, times ten: 0 is sealed, 100 is open. What keeps the units from less:
# the listener must listen on any network as root (UserOrDynamicUser, IPAddressDeny, PrivateNetwork,
# RestrictAddressFamilies 1.5 together), must change users (CAP_SETUID, CAP_SETGID, PrivateUsers),
# end their processes (CAP_KILL) and chroot (CAP_SYS_CHROOT, the system call chroot is in @mount).
# ekiden-send must change users as well, and runs accounts' programs: it sees homes, writes outside the
# system, talks to networks, and may map memory as just-in-time compilers do. Both may make the queue (RestrictSUIDSGID). The service of
# one connection starts without mount namespaces and without systemd's seccomp, which cost more than
# the session itself. ekiden-inject must see who its peers are (PrivateUsers) and drops what it does
# not have (capset, setrlimit).
EXPOSURE = {
    "ekiden-smtpd.service": 27,
    "ekiden-send.service": 29,
    "ekiden-inject.service": 8,
    "ekiden-smtpd-each@.service": 73,
}


# What the real one does after it has got a certificate.
CERTBOT = """#!/bin/sh
set -e
export RENEWED_LINEAGE=/etc/letsencrypt/live/mail.example.org
mkdir -p $RENEWED_LINEAGE
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \\
    -subj /CN=mail.example.org -addext subjectAltName=DNS:mail.example.org \\
    -keyout $RENEWED_LINEAGE/privkey.pem -out $RENEWED_LINEAGE/fullchain.pem
while [ $# -gt 1 ] && [ "$1" != --deploy-hook ]; do shift; done
exec sh -c "$2"
"""


@pytest.fixture(scope="module")
def machine(build):
    with Machine(build, systemd=True) as machine:
        machine.install("Install", "Users", "Configure")
        yield machine


@pytest.fixture
def listener(machine):
    machine.install("systemd")
    yield machine
    stop(machine, "ekiden-smtpd.socket", "ekiden-smtpd.service")


@pytest.fixture
def users(machine):
    """The listener with a certificate, a user, and the sockets for users' mail."""
    machine.install("systemd", "Certificate", "Users who send", "Users' ports: systemd")
    yield machine
    sockets = ["ekiden-submission.socket", "ekiden-submissions.socket"]
    machine.systemctl("disable", "--now", *sockets, check=True)
    stop(machine, "ekiden-smtpd.socket", "ekiden-smtpd.service")
    machine.run("rm -r /etc/ekiden/tls /etc/ekiden/auth")


@pytest.fixture
def each(machine):
    machine.install("systemd, one service a connection")
    yield machine
    stop(machine, "ekiden-smtpd-each.socket", "ekiden-smtpd-each@*.service")


def stop(machine, *units):
    """Stops UNITS and ekiden-send; nothing of Ekiden may be left, and nothing may have failed."""
    machine.systemctl("disable", "--now", "ekiden-send.service", units[0], check=True)
    machine.systemctl("stop", *units, check=True)
    assert has_ended(machine), f"{machine.processes()}\n{machine.log()}"
    failed = machine.systemctl("list-units", "--failed", "--plain", "--no-legend", "ekiden*")
    machine.systemctl("reset-failed")
    for path in machine.path("/var/lib/ekiden/mail").glob("*/Maildir/new/*"):
        path.unlink()
    assert failed == "", f"{failed}\n{machine.log()}"


def test_the_units_are_well_formed(machine):
    units = machine.run("ls /usr/lib/systemd/system/ekiden-*").split()
    assert len(units) == 9
    # An instance stands for the template, man pages may be missing where man is not installed.
    names = [unit.replace("@", "@1") for unit in units]
    assert machine.run("systemd-analyze", "verify", "--man=no", *names) == ""


@pytest.mark.parametrize("unit", EXPOSURE)
def test_exposure(machine, unit):
    table = machine.run(
        "systemd-analyze", "security", "--offline=true", "--no-pager",
        f"/usr/lib/systemd/system/{unit}", check=False,
    )  # fmt: skip
    exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", table).group(1))
    print(f"{unit}: exposure {exposure}")
    print("\n".join(line for line in table.splitlines() if line.startswith("✗")))
    assert exposure * 10 <= EXPOSURE[unit]


def test_listener_starts_with_the_first_client(listener):
    assert listener.listens()
    assert listener.processes("ekiden-smtpd") == []
    sent = message("the first client starts the server")
    deliver(listener, sent)
    assert listener.systemctl("is-active", "ekiden-smtpd.service") == "active"


@pytest.mark.needs("curl")
def test_the_message_of_install_arrives(listener):
    listener.install("Try it")
    (arrived,) = listener.wait_for_mail("anna")
    assert (ROOT / "README.md").read_bytes() in arrived


def test_the_first_start_makes_the_queue(machine):
    """Whichever unit comes first, with no more than its capabilities, and at its first try."""
    for unit in ("ekiden-send.service", "ekiden-smtpd.service"):
        machine.run("rm -r /var/spool/ekiden && systemd-tmpfiles --create ekiden.conf")
        machine.systemctl("daemon-reload", check=True)
        machine.systemctl("start", unit, check=True)
        wait_for(lambda: machine.path("/var/spool/ekiden/new").is_dir(), what="queue/new")
        wait_for(lambda: machine.systemctl("is-active", unit) == "active", what=unit)
        listing = machine.run("stat -c '%n %A %U %G' /var/spool/ekiden/*").split("\n")
        for line in listing:
            assert line.endswith(" ekidens ekidenq"), listing
        assert "queue-not-made" not in machine.log(), machine.log()
        assert machine.systemctl("show", "-P", "NRestarts", unit) == "0", machine.log()
        machine.systemctl("stop", "ekiden-smtpd.socket", "ekiden-smtpd", "ekiden-send", check=True)


def test_listener_processes(listener):
    check_processes(listener, keeper="root")
    check_processes(listener, keeper="root", count=20)


def test_listener_has_its_own_view_of_the_file_system(listener):
    """The unit's fence around the keeper: read-only but for the queue, and no homes."""
    with listener.smtp():
        pid = listener.systemctl("show", "-P", "MainPID", "ekiden-smtpd.service")
        inside = f"nsenter -t {pid} -m"
        for path in ("/etc/ekiden", "/usr/local", "/var/lib/ekiden/mail"):
            assert "Read-only" in listener.run(f"{inside} touch {path}/x 2>&1 || true")
        listener.run(f"{inside} sh -c 'touch /var/spool/ekiden/x && rm /var/spool/ekiden/x'")
        assert listener.run(f"{inside} ls /home /root 2>/dev/null || true").split() in (
            [], ["/home:", "/root:"])  # fmt: skip


def test_listener_leaves_and_comes_back(listener):
    """Without a client for -i seconds it ends in order; the next client starts it again."""
    unit = listener.path("/usr/lib/systemd/system/ekiden-smtpd.service").read_text()
    command = re.search(r"^ExecStart=(.*) -i [0-9]+$", unit, re.M).group(1)
    listener.run("mkdir -p /run/systemd/system/ekiden-smtpd.service.d")
    listener.path("/run/systemd/system/ekiden-smtpd.service.d/idle.conf").write_text(
        f"[Service]\nExecStart=\nExecStart={command} -i 1\n"
    )
    listener.systemctl("daemon-reload", check=True)
    try:
        for text in ("before", "after"):
            deliver(listener, message(text))
            wait_for(
                lambda: listener.systemctl("is-active", "ekiden-smtpd.service") == "inactive",
                what="an idle listener's end",
            )
            assert listener.processes("ekiden-smtpd") == []
            assert listener.listens()
    finally:
        listener.run("rm -r /run/systemd/system/ekiden-smtpd.service.d; systemctl daemon-reload")


def test_listener_survives_a_broken_control_file(listener):
    """It cannot start, the socket waits, and the client is served when the file is mended."""
    control = listener.path("/etc/ekiden/relayclients")
    good = control.read_text()
    control.write_text("300.1.2.3\n")
    try:
        waiting = listener.connect()
        wait_for(lambda: "relayclients:1" in listener.log(), what="the error in the log")
        assert listener.systemctl("is-active", "ekiden-smtpd.socket") == "active"
    finally:
        control.write_text(good)
    with waiting:
        assert waiting.recv(4) == b"220 "
    wait_for(lambda: listener.systemctl("is-active", "ekiden-smtpd.service") == "active")


def test_listener_takes_a_burst(listener):
    """More connections in two seconds than systemd's trigger limits allow."""
    for _ in range(300):
        with listener.connect() as client:
            assert client.recv(4) == b"220 "
    deliver(listener, message("after the burst"))


def test_listener_ends_its_sessions(listener):
    """A stop of the service lets nobody wait: the session in progress hears 421."""
    client = listener.smtp()
    stopping = listener.start("systemctl stop ekiden-smtpd.socket ekiden-smtpd.service")
    assert stopping.wait(PATIENCE) == 0
    rest = client.file.read() if client.file else client.sock.recv(4096)
    assert rest == b"" or rest.startswith(b"421 "), rest
    client.close()


def test_mail_is_delivered_after_a_crash_of_the_scheduler(listener):
    deliver(listener, message("before"))
    pid = listener.systemctl("show", "-P", "MainPID", "ekiden-send.service")
    listener.run(f"kill -KILL {pid}")
    with listener.smtp() as client:
        client.sendmail("you@example.net", ["anna@example.org"], message("after"))
    assert len(listener.wait_for_mail("anna", 2)) == 2
    # The crash was ours; it must not count when the machine is cleaned up.
    wait_for(lambda: listener.systemctl("is-active", "ekiden-send.service") == "active")


def test_an_operator_changes_the_queue(listener):
    """By the socket that ekiden-send makes within its unit, as root in a shell."""

    def waiting():
        return listener.run("/usr/local/sbin/ekiden queue list --json").splitlines()

    listener.install("The queue")
    listener.run("/usr/local/sbin/ekiden queue pause local")
    try:
        before = len(listener.mailbox("anna"))
        with listener.smtp() as client:
            client.sendmail("you@example.net", ["anna@example.org"], message("not any more"))
        (line,) = wait_for(waiting, what="the message that waits")
        name = json.loads(line)["id"]
        wait_for(lambda: f"event=paused id={name}" in listener.log(), what="the pause")
        listener.run(f"/usr/local/sbin/ekiden queue drop {name}")
        assert waiting() == []
        assert f"event=operation id={name} what=drop outcome=done operator=0" in listener.log()
    finally:
        listener.run("/usr/local/sbin/ekiden queue resume all")
    deliver(listener, message("after the pause"))
    assert len(listener.mailbox("anna")) == before + 1


def judge(machine, source, *recipients):
    """The replies to RECIPIENTS, or the greeting of a session that is turned away."""
    with machine.connect(source=source) as client, client.makefile("rb") as replies:

        def command(line):
            client.sendall(line.encode() + b"\r\n")
            while (reply := replies.readline())[3:4] == b"-":
                pass
            return reply.decode()

        greeting = replies.readline().decode()
        if greeting[:3] != "220":
            return [greeting]
        command("EHLO client.example"), command("MAIL FROM:<you@example.net>")
        return [command(f"RCPT TO:<{recipient}@example.org>") for recipient in recipients]


def check_judgement(machine, client, guesser):
    """Who judges is who he should be, and remembers where `ekiden explain` looks."""
    control = {"limits": "unknown 2/h\n", "greylist": "delay 300\n", "spfbehavior": "1\n",
               "spftimeout": "1\n", "nameservers": "127.0.0.1:9\n"}  # fmt: skip
    for name, text in control.items():
        machine.path(f"/etc/ekiden/{name}").write_text(text)
    machine.systemctl("stop", "ekiden-smtpd.service")  # its next session reads them
    try:
        assert judge(machine, client, "anna")[0].startswith("451 4.7.1 Greylisted")
        assert judge(machine, guesser, "n1", "n2", "n3")[2].startswith("421 4.7.0 ")
        (answer,) = judge(machine, guesser)
        assert answer.startswith("421 4.7.0 "), answer
        names = machine.run("ls /var/lib/ekiden/judge").split()
        assert [name for name in names if name.startswith("recent-")], names
        owners = set(machine.run("stat -c '%U %a' /var/lib/ekiden/judge/*").splitlines())
        assert owners == {"ekidenj 600"}
        said = machine.run("/usr/local/sbin/ekiden", "explain", "--ip", guesser, "--helo", "x.example",
                           "--from", "you@example.net", "--rcpt", "anna@example.org", check=False)  # fmt: skip
        assert "deferred by limits (limits:1): 421 " in said, said
    finally:
        for name in control:
            machine.path(f"/etc/ekiden/{name}").unlink()
        machine.systemctl("stop", "ekiden-smtpd.service")


def test_listener_judges(listener):
    check_judgement(listener, "127.0.8.1", "127.0.8.2")


def test_each_judges(each):
    check_judgement(each, "127.0.9.1", "127.0.9.2")


NEW_USERS = ("ekident", "ekidenk", "ekidena", "ekidenj", "ekidenf")


def test_upgrade(users):
    """From a version that did not have the users of TLS and passwords, and while it runs."""
    deliver(users, message("before"))
    for name in NEW_USERS:
        users.run("userdel", "--force", name)
    users.install("Upgrade")
    assert set(NEW_USERS) <= set(users.users().values())
    users.install("Certificate")  # the files of before are a former number's
    users.run("rm -r /etc/ekiden/auth; /usr/local/sbin/ekiden-passwd add anna < /root/anna.password")
    check_user_ports(users)
    deliver(users, message("after"))


def test_users_submit(users):
    """Each socket starts the one service; each gets its role."""
    for port in USER_PORTS:
        assert users.listens(port)
    assert users.processes("ekiden-smtpd") == []
    submit(users, 465)
    check_user_ports(users)
    deliver(users, message("port 25 is served beside them"))


def test_users_alone(users):
    """A server that takes no mail from others: port 25 stays closed."""
    users.systemctl("stop", "ekiden-smtpd.socket", "ekiden-smtpd.service", check=True)
    users.systemctl("mask", "ekiden-smtpd.socket", check=True)
    for port in (465, 587):
        submit(users, port)
    assert not users.listens(25)
    users.systemctl("unmask", "ekiden-smtpd.socket", check=True)


def test_users_processes(users):
    """Who does what of a session with TLS, and that none of them may more than it must."""
    submit(users, 587)
    held = [User(users, port) for port in USER_PORTS]
    wanted = {"tls-key": ("ekidenk", 1), "tls-server": ("ekident", len(held)),
              "tls-template": ("ekident", 1)}  # fmt: skip

    def all_are_there():
        users_of_processes(users)  # capabilities, no_new_privs, filters
        names = users.users()
        found = [(one.comm, names.get(one.uid)) for one in users.processes("ekiden-tls")]
        return all(found.count((comm, user)) >= count for comm, (user, count) in wanted.items())

    wait_for(all_are_there, what=str(wanted))
    for process in users.processes("ekiden-tls"):
        if process.comm not in wanted:
            continue
        assert process.status("CapEff").strip("0") == "" and process.status("Seccomp") == "2"
        # Not dumpable: what is below belongs to root.
        assert os.stat(f"/proc/{process.pid}/environ").st_uid == 0
        assert not open_files(process), f"{process}: {open_files(process)}"
    for client in held:
        client.quit()


def open_files(process):
    """What is open and is no socket, pipe or the like; the key process may have folders."""
    folder = Path(f"/proc/{process.pid}/fd")
    targets = {link.name: os.readlink(link) for link in folder.iterdir()}
    return {
        number: target
        for number, target in targets.items()
        if target.startswith("/")
        and target != "/dev/null"
        and not (process.comm == "tls-key" and (folder / number).is_dir())
    }


def test_the_key_is_the_key_process_s_alone(users):
    submit(users, 587)
    for user in ("ekidend", "ekidenq", "ekidens", "ekidenl", "ekidenr", "ekident", "ekidena",
                 "ekidenj", "ekidenf"):
        said = users.run("setpriv", f"--reuid={user}", f"--regid={user}" if user != "ekidens"
                         else "--regid=ekidenq", "--clear-groups", "cat",
                         "/etc/ekiden/tls/default/key.pem", check=False)  # fmt: skip
        assert "Permission denied" in said, user
    said = users.run("setpriv --reuid=ekidenk --regid=ekidenk --clear-groups "
                     "head -1 /etc/ekiden/tls/default/key.pem")  # fmt: skip
    assert "PRIVATE KEY" in said


def test_users_password_process(users):
    """ekiden-auth, met while it makes somebody wait who has guessed wrong."""
    names = users.users()

    def guess(number):
        """A guess whose answer nobody waits for."""
        client = User(users, 587, source=f"127.0.2.{number}")
        word = base64.b64encode(b"\0nobody-%d\0wrong" % number).decode()
        client.putcmd("AUTH PLAIN", word)
        return client

    held = []

    def seen():
        held.append(guess(len(held) + 1))
        keys = "Seccomp", "Uid", "CapEff", "NoNewPrivs", "Groups"
        found = [one.facts(*keys) for one in users.processes("ekiden-auth")]
        return next((facts[1:] for facts in found if facts and facts[0] == "2"), None)

    ids, capabilities, no_new_privileges, groups = wait_for(seen, what="ekiden-auth")
    assert {names[int(one)] for one in ids.split()} == {"ekidena"}
    assert (capabilities.strip("0"), no_new_privileges, groups) == ("", "1", "")
    for client in held:
        client.close()
    wait_for(lambda: users.processes("ekiden-auth") == [], what="the end of all ekiden-auth")


def test_a_renewed_certificate_is_served_at_once(users):
    """certbot's deploy hook, with a certbot that only has a new pair."""
    with User(users, 465) as client:
        first = client.certificate["serialNumber"]
    users.path("/usr/bin/certbot").write_text(CERTBOT)
    users.run("chmod 755 /usr/bin/certbot")
    with User(users, 587) as before:
        users.install("Certificate from Let's Encrypt")
        for port in USER_PORTS:
            with User(users, port) as client:
                assert client.certificate["serialNumber"] != first
        assert before.noop()[0] == 250  # whoever is there stays
        assert before.certificate["serialNumber"] == first
    listing = users.run("stat -c '%n %a %U %G' /etc/ekiden/tls/default/*").split("\n")
    assert listing == ["/etc/ekiden/tls/default/chain.pem 644 root root",
                       "/etc/ekiden/tls/default/key.pem 640 root ekidenk"]  # fmt: skip
    submit(users, 465)


def test_each_takes_users(each):
    each.install("Certificate", "Users who send", "Users' ports: systemd, one service a connection")
    check_user_ports(each)
    each.run("rm -r /etc/systemd/system/ekiden-smtpd-each.socket.d /etc/ekiden/tls /etc/ekiden/auth")
    each.systemctl("daemon-reload", check=True)


def test_each_delivers(each):
    deliver(each, message("a service for each connection"))
    wait_for(
        lambda: each.systemctl("list-units", "--plain", "--no-legend", "ekiden-smtpd-each@*") == "",
        what="the end of the session's service",
    )


def test_each_processes(each):
    check_processes(each, keeper="root")
    check_processes(each, keeper="root", count=5)


def test_each_logs_to_the_journal_and_not_to_the_client(each):
    with each.smtp() as client:
        assert client.docmd("NOOP")[0] == 250
        assert client.docmd("RCPT TO:<anna@example.org>")[0] == 503
    wait_for(
        lambda: "ekiden-smtpd" in each.run("journalctl", "--no-pager", "-t", "ekiden-smtpd"),
        what="a line in the journal",
    )


def test_each_takes_a_burst(each):
    """More than the 200 connections in 2 s after which systemd would close the socket for good."""
    held = []
    for number in range(230):
        # Not more from one address than MaxConnectionsPerSource, however late the first ones end.
        held.append(each.connect(source=f"127.0.1.{number // 40 + 1}"))
        if len(held) > 40:
            with held.pop(0) as client:
                assert client.recv(4) == b"220 "
    for client in held:
        client.close()
    assert each.systemctl("is-active", "ekiden-smtpd-each.socket") == "active"
    deliver(each, message("after the burst"))


def test_each_caps_the_connections_of_one_address(each):
    held = [each.connect() for _ in range(50)]
    for client in held:
        assert client.recv(4) == b"220 "
    with each.connect() as beyond:
        assert beyond.recv(4) == b""
    for client in held:
        client.close()
    wait_for(
        lambda: each.systemctl("list-units", "--plain", "--no-legend", "ekiden-smtpd-each@*") == "",
        what="the end of the sessions",
    )
    deliver(each, message("room again"))


@pytest.fixture
def account(machine):
    """An account that gets mail, and one address of other servers."""
    machine.run("useradd", "--create-home", "clara")
    machine.path("/etc/ekiden/systemusers").write_text("clara\n")
    machine.path("/etc/ekiden/relayclients").write_text("127.0.0.1\n")
    machine.path("/etc/ekiden/smtproutes").write_text(":127.0.0.1:25\n")
    yield machine.path("/home/clara")
    for name in ("systemusers", "relayclients", "smtproutes"):
        machine.path(f"/etc/ekiden/{name}").unlink()
    machine.run("userdel", "clara")


def test_mail_comes_home_to_accounts(listener, account):
    """ekiden-launch and a user's program within the unit; a forward comes back by the socket."""
    machine = listener
    machine.systemctl("enable", "--now", "ekiden-inject.socket", check=True)
    program = "#!/bin/sh\nid -u >$HOME/ran; cat /proc/self/status >>$HOME/ran; cat >$HOME/message\n"
    (account / "program").write_text(program)
    (account / "program").chmod(0o755)
    (account / ".qmail").write_text("|./program\n./Maildir/\n&anna@example.org\n")
    machine.run("su", "clara", "-s", "/bin/sh", "-c", "mkdir -p ~/Maildir/new ~/Maildir/tmp ~/Maildir/cur")
    before = len(machine.mailbox("anna"))
    with machine.smtp() as client:
        client.sendmail("you@example.net", ["clara@example.org"], message("come home"))
    forwarded = machine.wait_for_mail("anna", before + 1)[-1]
    assert b"\nDelivered-To: clara@example.org\n" in forwarded, forwarded
    (delivered,) = (account / "Maildir/new").iterdir()
    assert delivered.read_bytes().endswith(message("come home").replace(b"\r\n", b"\n"))
    uid, _, status = (account / "ran").read_text().partition("\n")
    assert uid == machine.run("id -u clara").strip() == str(delivered.stat().st_uid)
    for key in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(re.search(rf"^{key}:\s*(\w+)", status, re.M).group(1), 16) == 0, status
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.M), status
    machine.systemctl("disable", "--now", "ekiden-inject.socket", check=True)
    machine.systemctl("stop", "ekiden-inject.service", check=True)


def test_mail_goes_on_to_another_server(listener, account):
    """ekiden-remote within the unit; here the other server is ourselves, which ends by its hops."""
    with listener.smtp() as client:
        client.sendmail("anna@example.org", ["you@elsewhere.example"], message("on and on"))
    report = listener.wait_for_mail("anna", len(listener.mailbox("anna")) + 1)[-1]
    assert b"Auto-Submitted: auto-replied" in report and b"5.4.6" in report, report


def test_local_submission(machine):
    """The socket starts ekiden-queue, which is never root; a user without privilege sends."""
    machine.install("Local submission")
    sent = "From: you@example.net\nTo: anna@example.org\nSubject: from here\n\nbody\n"
    run_as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    run_as += ["/usr/local/sbin/sendmail", "-t"]
    machine.run(*run_as, input=sent)
    (arrived,) = machine.wait_for_mail("anna")
    assert b"invoked by uid 65534);" in arrived and arrived.endswith(b"\n\nbody\n")
    names = machine.users()
    found = [one.facts("Uid", "Seccomp", "CapEff") for one in machine.processes("ekiden-queue")]
    for ids, fence, capabilities in filter(None, found):  # the session's may have ended
        assert {names[int(one)] for one in ids.split()} == {"ekidenq"}
        assert fence == "2" and capabilities.strip("0") == ""
    machine.run("/usr/local/sbin/mailq")
    stop(machine, "ekiden-inject.socket", "ekiden-inject.service")
    assert not machine.path("/run/ekiden/inject").exists()
