"""Ends and starts: SIGTERM, SIGKILL of the first process or of all, the same folder again."""

import signal
import threading
from collections import Counter

from instance import DOMAIN, PATIENCE, SENDER
from smtp_client import Closed, body_of

ALICE = f"alice@{DOMAIN}"


def test_sigterm_ends_cleanly(instance):
    instance.send(b"Subject: before\n\nbody\n")
    instance.wait_for_mail("alice")
    assert instance.stop() == 0
    instance.start()


def test_sigterm_with_open_sessions(instance):
    """They are told 421 (RFC 5321 3.8), or their connection ends; nothing is left."""
    idle = instance.session()
    busy = instance.session()
    busy.envelope(SENDER, [ALICE])
    assert busy.command("DATA").code == 354
    busy.send(b"Subject: unfinished\r\n\r\nbody\r\n")
    instance.signal(signal.SIGTERM)
    try:
        assert idle.reply().code == 421
    except Closed:
        pass
    idle.close()
    busy.close()
    instance.await_end()
    instance.start()
    assert not instance.mailbox("alice")


def test_sigint_ends_as_well(instance):
    instance.signal(signal.SIGINT)
    assert instance.await_end() == 0


def test_killed_first_process_takes_all_with_it(instance):
    with instance.session():
        instance.kill_first()
    instance.start()


def test_start_after_everything_was_killed(instance):
    """Messages that were acknowledged are delivered after the next start; at least once."""
    acknowledged, stop = set(), threading.Event()

    def send_forever(worker):
        number = 0
        try:
            with instance.session() as client:
                while not stop.is_set():
                    name = b"%d-%d" % (worker, number)
                    number += 1
                    answer = client.deliver(SENDER, [ALICE], b"Subject: " + name + b"\n\nbody\n")
                    if answer.code == 250:
                        acknowledged.add(name)
        except (Closed, OSError):
            pass
        except AssertionError as error:
            assert "421" in str(error)  # some ended before others

    for round_ in range(5):
        before = len(acknowledged)
        workers = [
            threading.Thread(target=send_forever, args=(round_ * 10 + worker,)) for worker in range(3)
        ]
        for worker in workers:
            worker.start()
        while len(acknowledged) < before + 30 and any(worker.is_alive() for worker in workers):
            workers[0].join(0.002)
        instance.kill()
        stop.set()
        for worker in workers:
            worker.join()
        stop.clear()
        assert len(acknowledged) >= before + 30
        instance.start()
    instance.wait_for_empty_queue(unfinished=True)
    arrived = Counter(
        body_of(message).split(b"\n")[0].removeprefix(b"Subject: ")
        for message in instance.mailbox("alice")
    )
    lost = acknowledged - set(arrived)
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages were lost: {lost}"
    print(f"{len(acknowledged)} acknowledged, {sum(arrived.values()) - len(arrived)} duplicates")


def test_control_files_are_left_alone(instance):
    instance.set("users", "alice\ncarol\n")
    names = {path.name: path.read_bytes() for path in instance.control.iterdir()}
    instance.restart()
    assert {path.name: path.read_bytes() for path in instance.control.iterdir()} == names
    instance.send(b"Subject: x\n\nbody\n", f"carol@{DOMAIN}")
    instance.wait_for_mail("carol")


def test_two_instances_beside_each_other(make_instance):
    first, second = make_instance(), make_instance()
    first.send(b"Subject: first\n\nbody\n")
    second.send(b"Subject: second\n\nbody\n")
    assert b"Subject: first" in first.wait_for_mail("alice")[0]
    assert b"Subject: second" in second.wait_for_mail("alice")[0]


def test_two_servers_on_one_folder(make_instance):
    """The second is refused, and the first goes on (one scheduler a queue)."""
    first = make_instance()
    import subprocess

    with open(first.log_path, "ab") as log:
        done = subprocess.run(
            first.command("ekiden-serve", first.folder, "--smtp", "0"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=PATIENCE,
            start_new_session=True,
            cwd="/",
        )
    assert done.returncode != 0
    assert b"ready" not in done.stdout
