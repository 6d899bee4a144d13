"""A certificate is replaced while clients of all ports come and go: none of them fails, and the next
one gets the new certificate."""

import os
import select
import ssl
import threading

import certificates
from instance import wait_for
from submitter import any_certificate, start_tls

CLIENTS = 6
BETWEEN = 12  # connections between two replacements


def leaf(serial):
    return ssl.PEM_cert_to_DER_cert(certificates.pair(serial=serial)[0].decode())


def seen(instance, which):
    """The certificate on a new connection: to port 25's role, submission, submissions in turn."""
    ports = (instance.port, instance.submission_port, instance.submissions_port)
    client = instance.connect(port=ports[which % 3])
    with client:
        if which % 3 == 2:
            client.socket = any_certificate().wrap_socket(client.socket)
            client.greet()
        else:
            client.greet()
            start_tls(client)
        certificate = client.socket.getpeercert(True)
        assert client.command("NOOP").code == 250
        client.quit()
    return certificate


class Load:
    """Clients that connect again and again, until told to stop."""

    def __init__(self, instance, allowed):
        self.instance, self.allowed = instance, allowed
        self.count, self.failures = 0, []
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(CLIENTS)]

    def run(self, number):
        while not self.stopped.is_set():
            try:
                assert seen(self.instance, number) in self.allowed
            except Exception as failure:  # whatever it is, it must not be
                self.failures.append(failure)
                return
            with self.lock:
                self.count += 1

    def go_on(self):
        enough = self.count + BETWEEN
        wait_for(lambda: self.failures or self.count >= enough, what="further connections")
        assert not self.failures, self.failures

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def by_files(instance, serial):
    """A client that comes between the two files waits until they fit again."""
    with instance.session() as client:

        def ask():
            client.send(b"STARTTLS\r\n")
            answered, _, _ = select.select([client.socket], [], [], 0.3)
            assert not answered, client.reply()

        certificates.put(instance, serial=serial, between=ask)
        assert client.reply().code == 220


def by_folder(instance, serial):
    """For a moment there is none."""
    tls = instance.control / "tls"
    certificates.put(instance, f"new{serial}", serial=serial)
    (tls / "default").rename(tls / f"old{serial}")
    (tls / f"new{serial}").rename(tls / "default")


def by_link(instance, serial):
    tls = instance.control / "tls"
    certificates.put(instance, f"version{serial}", serial=serial)
    (tls / "default").rename(tls / "first")
    os.symlink("first", tls / "default")
    os.symlink(f"version{serial}", tls / "link")
    os.rename(tls / "link", tls / "default")


def test_no_connection_fails(make_instance):
    ways = {71: by_files, 72: by_folder, 73: by_link}
    instance = make_instance(start=False)
    certificates.put(instance, serial=70)
    instance.start()
    with Load(instance, [leaf(serial) for serial in (70, *ways)]) as load:
        load.go_on()
        for serial, replace in ways.items():
            replace(instance, serial)
            assert [seen(instance, which) for which in range(3)] == [leaf(serial)] * 3
            load.go_on()
    assert not load.failures, load.failures
    assert "certificate-broken" not in instance.log_text()
