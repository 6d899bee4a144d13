"""Back-pressure: what the queue has no room for is put off before DATA, and taken again later."""

import fcntl
import os
import signal
import struct
import subprocess

import pytest
from conftest import IS_ROOT
from instance import DOMAIN, PATIENCE, SENDER, wait_for

ALICE = f"alice@{DOMAIN}"
BODY = b"Subject: x\n\nx\n"
HUGE = "8000000T\n"
EX_TEMPFAIL = 75


def events(instance, name):
    return [event for event in instance.log() if event.get("event") == name]


def mail(client, sender=SENDER, parameters=""):
    answer = client.command(f"MAIL FROM:<{sender}>{parameters}")
    if answer.code == 250:
        assert client.command("RSET").code == 250
    else:
        assert (answer.code, answer.enhanced) == (452, "4.3.1"), answer
    return answer.code


def sendmail(instance):
    line = instance.command("sendmail", "-i", "-f", SENDER, ALICE)
    socket = instance.queue.parent / "inject"
    return subprocess.run(
        line, input=BODY, timeout=PATIENCE, stderr=subprocess.PIPE, check=False,
        env={**os.environ, "EKIDEN_INJECT": str(socket), "EKIDEN_CONTROL": str(instance.control),
             "ASAN_OPTIONS": "detect_leaks=0"},
    )


def queue_program(instance):
    """ekiden-queue with what stands in the control folder."""
    message, envelope = os.pipe(), os.pipe()
    os.write(message[1], BODY)
    os.write(envelope[1], f"F{SENDER}\0T{ALICE}\0\0".encode())
    os.close(message[1])
    os.close(envelope[1])
    with open(instance.log_path, "ab") as log:
        process = subprocess.Popen(
            instance.command("ekiden-queue", "-C", instance.control, "-Q", instance.queue),
            stdin=message[0], stdout=envelope[0], stderr=log,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        )
    os.close(message[0])
    os.close(envelope[0])
    return process.wait(PATIENCE)


def test_minfree(make_instance):
    instance = make_instance({"minfree": HUGE, "maxerrors": "1000\n"})
    instance.accepts_mail = False
    with instance.session() as client:
        for sender in (SENDER, "", f"postmaster@{DOMAIN}") * 3:
            assert mail(client, sender) == 452
        assert client.command(f"RCPT TO:<{ALICE}>").code == 503
    with instance.session() as client:
        assert mail(client) == 452
    assert len(events(instance, "queue-full")) == 1
    assert [event["rule"] for event in events(instance, "refused")] == ["order"]
    assert sendmail_of_a_user(instance) == EX_TEMPFAIL
    assert queue_program(instance) == 53
    instance.set("minfree", "0\n")
    instance.wait_for_new_template()
    with instance.session() as client:
        assert mail(client) == 250
    instance.accepts_mail = True
    instance.send(BODY)
    instance.wait_for_mail("alice")
    assert queue_program(instance) == 0
    instance.wait_for_mail("alice", 2)


def sendmail_of_a_user(instance):
    result = sendmail(instance)
    assert b"4.3.1" in result.stderr, result
    return result.returncode


def test_an_announced_size_counts_on_top(make_instance):
    instance = make_instance({"databytes": "0\n", "minfree": "1M\n"})
    with instance.session() as client:
        assert mail(client, parameters=" SIZE=1000") == 250
        assert mail(client, parameters=f" SIZE={10**18}") == 452
        assert mail(client, parameters=f" SIZE={2**64 - 1}") == 452
        assert mail(client) == 250
    assert {event["rule"] for event in events(instance, "refused")} == {"minfree"}
    assert not events(instance, "queue-full")


def test_maxqueue(make_instance):
    instance = make_instance({"maxqueue": "3\n", "maxerrors": "1000\n"})
    wait_for(lambda: events(instance, "queue-counted"), what="a count")
    for _ in range(5):  # more than fit, but they leave
        instance.send(BODY)
        instance.wait_for_empty_queue()
    scheduler = instance.processes()["ekiden-send"][0].pid
    os.kill(scheduler, signal.SIGSTOP)
    try:
        for _ in range(3):
            instance.send(BODY)
        with instance.session() as client:
            assert mail(client) == 452
            assert mail(client, "") == 452
        assert sendmail_of_a_user(instance) == EX_TEMPFAIL
        assert queue_program(instance) == 53
        assert len(instance.queue_files()) == 3
        # One line a process that has a memory of its own: smtpd, the socket's server, the program.
        assert len(events(instance, "queue-full")) == 3
    finally:
        os.kill(scheduler, signal.SIGCONT)
    instance.wait_for_empty_queue()
    instance.send(BODY)
    instance.wait_for_mail("alice", 9)
    assert len(events(instance, "queue-has-room")) == 1


def count_of(instance):
    return struct.unpack("q", (instance.queue / "count").read_bytes()[:8])[0]


def test_a_wrong_count_is_mended_by_the_scheduler(make_instance):
    instance = make_instance({"maxqueue": "100\n"}, start=False)
    instance.start()
    assert instance.stop() == 0
    with open(instance.queue / "count", "r+b") as file:
        file.write(struct.pack("q", 123456))
    for digit in "012":
        (instance.queue / "hold" / (digit * 20)).write_bytes(b"")
    instance.start()
    wait_for(lambda: count_of(instance) == 3, what="the right number")
    with instance.session() as client:
        assert mail(client) == 250
    for path in (instance.queue / "hold").iterdir():
        path.unlink()


def test_what_is_being_written_is_counted_by_its_writer(make_instance):
    """It may never be a message, and counts by itself when it is one."""
    instance = make_instance({"maxqueue": "2\n"}, start=False)
    instance.start()
    wait_for(lambda: events(instance, "queue-counted"), what="the first count")
    assert instance.stop() == 0
    path = instance.queue / "new" / ("0" * 20)
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        path.with_name("1" * 20).touch()  # has no writer
        instance.start()
        (event,) = wait_for(lambda: events(instance, "queue-counted")[1:], what="the second count")
        assert event["messages"] == "1" and count_of(instance) == 1
        path.unlink()
    path.with_name("1" * 20).unlink()


def test_a_queue_that_had_no_count_gets_one(make_instance):
    instance = make_instance({"maxqueue": "2\n"}, start=False)
    instance.start()
    assert instance.stop() == 0
    (instance.queue / "count").unlink()
    instance.start()
    instance.send(BODY)
    instance.wait_for_mail("alice")
    wait_for(lambda: count_of(instance) == 0, what="an empty queue's count")


def test_one_session_of_its_own(make_instance):
    instance = make_instance({"minfree": HUGE})
    instance.accepts_mail = False
    process, client = instance.single_session()
    with client:
        client.greet()
        assert mail(client) == 452
        client.quit()
    assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(not IS_ROOT, reason="mounts a file system")
@pytest.mark.parametrize("options", ["size=24m", "size=64m,nr_inodes=1000"])
def test_a_disk_that_fills_and_gets_free_again(make_instance, options):
    instance = make_instance({"minfree": "8M\n"}, start=False)
    instance.queue.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "queue", instance.queue], check=True)
    try:
        instance.give_away(instance.queue)
        instance.start()
        instance.send(BODY)
        instance.wait_for_mail("alice")
        ballast = instance.queue / "ballast"
        ballast.mkdir()
        if "nr_inodes" in options:
            free = os.statvfs(ballast).f_favail
            for number in range(free - 100):
                (ballast / str(number)).touch()
        else:
            (ballast / "0").write_bytes(bytes(20 << 20))
        with instance.session() as client:
            assert mail(client) == 452
            for path in ballast.iterdir():
                path.unlink()
            assert mail(client) == 250
        instance.send(BODY)
        instance.wait_for_mail("alice", 2)
        instance.wait_for_empty_queue()
        assert len(events(instance, "queue-full")) == len(events(instance, "queue-has-room")) == 1
        assert instance.stop() == 0
        instance.accepts_mail = False
    finally:
        subprocess.run(["umount", "-l", instance.queue], check=True)
