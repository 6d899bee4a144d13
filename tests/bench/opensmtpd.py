"""Debian's OpenSMTPD. Its programs and users are where they are compiled in, so it gets a root of
its own: its package, unpacked, lies over the machine's in a mount namespace."""

from pathlib import Path

import other_servers
from servers import DOMAIN, USER, Server, count_files, wait_for

SPOOL = "var/spool/smtpd"
START = """set -e
mkdir -p "$0/root" "$0/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
mount --bind /proc "$0/root/proc"
mount --rbind /dev "$0/root/dev"
mount --bind "$0/upper/$1" "$0/root/$1"
mount --bind "$0/upper$0" "$0/root$0"
shift
exec chroot "$0/root" "$@"
"""


class OpenSMTPD(Server):
    """It does not sync a message before it answers 250. Rows with TLS and large mail are not for it:
    it has no PIPELINING, which bench_client takes for granted."""

    name = "opensmtpd"
    pace = 0.25

    def __init__(self, folder, packages, setting):
        super().__init__(folder, setting)
        self.upper = self.folder / "upper"
        self.server = other_servers.OpenSMTPD(self.folder, self.port, DOMAIN, [USER],
                                              setting.relay or 1, self.upper)  # fmt: skip
        self.unpack(packages)

    @staticmethod
    def missing(build):
        return other_servers.OpenSMTPD.missing(build / "other-servers")

    def unpack(self, packages):
        for name in ("usr/bin", "usr/sbin", "usr/lib", "etc", "proc", "dev"):
            (self.upper / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib"):
            (self.upper / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group"):
            (self.upper / "etc" / name).write_text(Path("/etc", name).read_text())
        self.server.unpack(sorted(Path(packages).glob("opensmtpd_*.deb")))
        self.server.add_accounts()

    @property
    def delivered_folder(self):
        return self.server.mail_folder(USER)

    def start(self):
        self.server.configure()
        self.launch(["unshare", "-m", "--propagation", "private", "sh", "-c", START, self.folder,
                     SPOOL, *self.server.command()])  # fmt: skip
        wait_for(self.answers, 30, "a greeting of OpenSMTPD")

    def queue_is_empty(self):
        queue = self.upper / SPOOL / "queue"
        return not any(map(count_files, queue.iterdir()))
