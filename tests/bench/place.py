"""Where a server is measured: a folder on tmpfs, or on a new ext4 with a journal in a loop image."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path


class Place:
    """KIND is tmpfs or ext4, which needs root. INODES: how many files it must hold; SIZE: bytes."""

    def __init__(self, kind, size=1 << 30, inodes=None):
        self.kind, self.size, self.inodes = kind, size, inodes
        self.image = self.mounted = self.loop = None
        if kind == "tmpfs":
            self.folder = Path(tempfile.mkdtemp(prefix="ekiden-bench-", dir="/dev/shm"))
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="ekiden-bench-", dir="/var/tmp"))
            self.mount()
        os.chmod(self.folder, 0o755)

    def mount(self):
        self.image = Path(str(self.folder) + ".image")
        options = ["-N", str(self.inodes)] if self.inodes else []
        try:
            with open(self.image, "wb") as image:
                os.posix_fallocate(image.fileno(), 0, self.size)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal", *options, self.image],
                           check=True)
            attach = ["losetup", "--find", "--show", self.image]
            done = subprocess.run(attach, check=True, capture_output=True, text=True)
            self.loop = done.stdout.strip()
            self.mount_image()
        except BaseException:
            self.remove()
            raise

    def mount_image(self):
        subprocess.run(["mount", "-t", "ext4", self.loop, self.folder], check=True)
        self.mounted = True

    def age(self, paths, seconds):
        """Makes PATHS on ext4 look as if they had been changed so long ago (their ctime, which no
        system call sets). Nobody may be using the place."""
        if self.kind == "tmpfs":
            return
        then = int(time.time()) - seconds
        lines = [f"set_inode_field /{path.relative_to(self.folder)} ctime @{then}\n" for path in paths]
        subprocess.run(["umount", self.folder], check=True)
        self.mounted = False
        subprocess.run(["debugfs", "-w", "-f", "-", self.loop], input="".join(lines), text=True,
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.mount_image()

    def remove(self):
        if self.mounted:
            subprocess.run(["umount", self.folder], check=False)
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop], check=False)
        if self.image:
            self.image.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
