"""What every way of running Ekiden must show, whoever started it."""

import re

from instance import wait_for

NO_CAPABILITIES = 0
# What the keeper may hold: CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT.
KEEPER_CAPABILITIES = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18

# Who an Ekiden process may be, by its program.
USERS = {
    "ekiden-smtpd": {"root", "ekidend", "ekidenq"},
    "ekiden-send": {"ekidens"},
    "ekiden-local": {"ekidenl"},
}


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
    wait_for(lambda: machine.processes("ekiden-local"), what="ekiden-local")
    names = machine.users()
    seen = {}
    for process in machine.processes():
        if process.comm not in USERS:
            continue
        uids = [int(uid) for uid in process.status("Uid").split()]
        if not uids:
            continue  # a spare that ended meanwhile
        assert len(set(uids)) == 1, f"{process}: Uid {uids}"
        user = names[uids[0]]
        assert user in USERS[process.comm], f"{process} is {user}"
        seen[user] = seen.get(user, 0) + 1
        sets = [int(process.status(f"Cap{key}"), 16) for key in ("Inh", "Prm", "Eff", "Amb")]
        if user == "root":
            assert machine.systemd is False or sets[2] & ~KEEPER_CAPABILITIES == 0, process
            continue
        assert sets == [NO_CAPABILITIES] * 4, f"{process}: capabilities {sets}"
        assert process.status("NoNewPrivs") == "1", process
        assert process.status("Groups") == "", f"{process}: {process.status('Groups')}"
        assert process.status("Seccomp") == "2", process
    print(f"processes with {count} sessions: {seen}")
    assert seen.get(keeper, 0) >= 1
    assert seen.get("ekidend", 0) >= count and seen.get("ekidenq", 0) >= count, seen
    assert seen.get("ekidens") and seen.get("ekidenl"), seen
    for client in held:
        client.close()
