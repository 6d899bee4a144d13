"""Maildir++ quotas of virtual mailboxes, on the whole way."""

import os
import re
import shutil
import subprocess
import threading

import pytest
from instance import DOMAIN, wait_for

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
BODY = b"Subject: x\n\n" + b"x" * 987 + b"\n"  # 1000 octets, without the fields that are added


def ledger(instance, user):
    """The quota as it stands there, and the sums."""
    quota, *lines = (instance.mail_folder(user) / "maildirsize").read_text().splitlines()
    numbers = [tuple(map(int, line.split())) for line in lines]
    return quota, sum(size for size, _ in numbers), sum(count for _, count in numbers)


def stored(instance, user):
    files = instance.mail_files(user)
    return sum(path.stat().st_size for path in files), len(files)


def events(instance, name, **fields):
    return [event for event in instance.log() if event.get("event") == name
            and all(event.get(key) == value for key, value in fields.items())]


def ended(instance, user):
    return [*events(instance, "delivered", mailbox=user),
            *events(instance, "delivery-failed", mailbox=user)]


def send(instance, count, recipient=ALICE, user="alice"):
    """Sends messages one by one, and waits for the end of each. Reports go to bob."""
    for _ in range(count):
        before = len(ended(instance, user))
        instance.send(BODY, recipient, BOB)
        wait_for(lambda: len(ended(instance, user)) > before, what="the end of a delivery")


def refusals(instance, user="alice"):
    found = events(instance, "delivery-failed", mailbox=user)
    assert all(event["reason"].startswith("5.2.2 ") for event in found)
    return found


def test_a_full_mailbox(make_instance):
    instance = make_instance({"mailquota": "# for all but one\n4000S\nbob:0\n"})
    instance.accepts_mail = False
    send(instance, 3)
    assert ledger(instance, "alice") == ("4000S", *stored(instance, "alice"))
    assert all(re.search(rf",S={path.stat().st_size}$", path.name)
               for path in instance.mail_files("alice"))
    send(instance, 2)
    assert len(instance.mail_files("alice")) == 3 and len(refusals(instance)) == 2
    wait_for(lambda: len(instance.mail_files("bob")) == 2, what="two reports")
    assert b"5.2.2" in instance.mailbox("bob")[0]
    assert not (instance.mail_folder("bob") / "maildirsize").exists()
    # The user deletes one with a program that knows nothing of quotas.
    instance.mail_files("alice")[0].unlink()
    send(instance, 1)
    assert len(instance.mail_files("alice")) == 3 and len(refusals(instance)) == 2
    assert ledger(instance, "alice") == ("4000S", *stored(instance, "alice"))


def test_without_the_file_nothing_is_counted(make_instance):
    instance = make_instance()
    send(instance, 1)
    assert sorted(path.name for path in instance.mail_folder("alice").iterdir()) == [
        "cur", "new", "tmp"]
    assert ",S=" not in instance.mail_files("alice")[0].name


def test_the_quota_changes_while_it_runs(make_instance):
    instance = make_instance({"mailquota": "alice:1C\n"})
    instance.accepts_mail = False
    send(instance, 2)
    assert len(instance.mail_files("alice")) == 1 and len(refusals(instance)) == 1
    instance.set("mailquota", "alice:2C\n")
    send(instance, 2)
    assert len(instance.mail_files("alice")) == 2 and len(refusals(instance)) == 2
    instance.set("mailquota", "alice:much\n")  # the last good one stays
    send(instance, 1)
    assert len(instance.mail_files("alice")) == 2 and len(refusals(instance)) == 3
    assert any("mailquota:1: expected QUOTA" in event["what"]
               for event in events(instance, "configuration-refused"))
    instance.remove("mailquota")
    send(instance, 1)
    assert len(instance.mail_files("alice")) == 3


def test_a_mailbox_of_a_domain(make_instance):
    instance = make_instance({
        "users": f"alice\nbob\ncarol@{DOMAIN}\npostmaster:alice\n",
        "mailquota": f"100M\nCarol@{DOMAIN}:1C\n"})
    instance.accepts_mail = False
    send(instance, 2, f"carol@{DOMAIN}", f"{DOMAIN}/carol")
    assert len(instance.mail_files(f"{DOMAIN}/carol")) == 1
    send(instance, 1)
    assert ledger(instance, "alice")[0] == "104857600S"


def test_many_at_once(make_instance):
    """Several agents and batches: the count is that of the files in the end, and no more is taken
    than came at the same moment."""
    instance = make_instance({"mailquota": "alice:30C\n", "users": "alice\nbob\n"})
    instance.accepts_mail = False

    def deliver():
        for _ in range(10):
            instance.send(BODY, ALICE, BOB)

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: len(ended(instance, "alice")) == 60, what="60 deliveries")
    kept = len(instance.mail_files("alice"))
    assert 30 <= kept < 60
    before = len(refusals(instance))
    send(instance, 1)
    assert len(refusals(instance)) == before + 1  # and with that it was counted
    assert ledger(instance, "alice") == ("30C", *stored(instance, "alice"))


DOVECOT = """base_dir = {base}
state_dir = {base}
log_path = /dev/stderr
mail_location = maildir:{maildir}
mail_home = {base}
mail_plugins = quota
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {uid}
mail_gid = {gid}
plugin {{
  quota = maildir:User quota
}}
"""


@pytest.mark.skipif(not shutil.which("doveadm"), reason="dovecot-core is not installed")
def test_dovecot_reads_and_writes_the_same(make_instance):
    instance = make_instance({"mailquota": "10000S,4C\n"})
    instance.accepts_mail = False
    send(instance, 2)
    maildir = instance.mail_folder("alice")
    owner = maildir.stat()
    if owner.st_uid == 0:
        pytest.skip("Dovecot refuses to serve root")
    for folder in (".Trash", ".Trash/new", ".Trash/cur", ".Trash/tmp"):
        (maildir / folder).mkdir()
        os.chown(maildir / folder, owner.st_uid, owner.st_gid)
    thrown = maildir / ".Trash/cur/1.a.host:2,T"
    thrown.write_bytes(b"x" * 100)
    base = instance.folder / "dovecot"
    base.mkdir(mode=0o777)
    (base / "conf").write_text(DOVECOT.format(base=base, maildir=maildir, uid=owner.st_uid,
                                              gid=owner.st_gid))

    def doveadm(*arguments):
        result = subprocess.run(
            ["doveadm", "-c", base / "conf", *arguments], text=True, capture_output=True,
            env={"PATH": os.environ["PATH"], "USER": "alice", "HOME": str(base)}, check=False)
        assert result.returncode == 0 and "Error" not in result.stderr, result.stderr
        return result.stdout

    assert re.search(r"MESSAGE +2 +4 ", doveadm("quota", "get"))
    doveadm("quota", "recalc")
    size, count = stored(instance, "alice")
    assert ledger(instance, "alice") == ("10000S,4C", size + 100, count + 1)
    send(instance, 1)
    size, count = stored(instance, "alice")
    assert ledger(instance, "alice") == ("10000S,4C", size + 100, count + 1)
    send(instance, 1)
    assert len(refusals(instance)) == 1
    doveadm("expunge", "mailbox", "Trash", "all")
    send(instance, 1)
    assert len(refusals(instance)) == 1 and len(instance.mail_files("alice")) == 4
