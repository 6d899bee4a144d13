"""Disks: one whose writes and flushes are recorded, and one that is put into a recorded state.

Both are loop devices over files in memory. Mounts are made in the caller's own mount namespace
(private_mounts), so that nothing is left of them when it ends, however it ends.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import signal
import subprocess
from pathlib import Path

from blocks_log import SECTOR, Log
from instance import wait_for

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x20000000, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
PUNCH_HOLE, KEEP_SIZE = 2, 1
BLKFLSBUF = 0x1261
LOOP_CLR_FD, LOOP_SET_STATUS64, LOOP_GET_STATUS64, LOOP_CTL_GET_FREE = 0x4C01, 0x4C04, 0x4C05, 0x4C82
LOOP_SET_FD, LOOP_CTL_ADD = 0x4C00, 0x4C80
LOOP_AUTOCLEAR = 4
LOOP_INFO_SIZE, LOOP_FLAGS_AT = 232, 52
PAGE = 4096
LOG_BYTES = 1 << 30  # a hole

SIZES = {"ext4": 24 << 20, "xfs": 300 << 20, "btrfs": 128 << 20}
MAKE = {
    # Nothing is left to be initialised later, and the journal is small: it is used several times.
    "ext4": ["mkfs.ext4", "-qF", "-N", "2500", "-J", "size=2",
             "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-qf"],
    "btrfs": ["mkfs.btrfs", "-qf", "-m", "single"],
}  # fmt: skip
# nouuid: several states of one disk are mounted at the same time. Discarding is left to none.
OPTIONS = {"ext4": "", "xfs": "nouuid", "btrfs": "nodiscard"}


def call(result, what):
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def private_mounts():
    call(LIBC.unshare(CLONE_NEWNS), "unshare")
    call(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")


def private_processes(work, *args):
    """Calls WORK in a process; when that ends, or the caller does, whatever it has started ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    call(LIBC.unshare(CLONE_NEWPID), "unshare")
    child = os.fork()  # the first process there: the others end with it
    if child:
        os.waitpid(child, 0)
        return
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        work(*args)
    finally:
        os._exit(0)


def mount(source, target, fs, options=""):
    args = os.fsencode(source), os.fsencode(target), fs.encode(), 0, options.encode()
    call(LIBC.mount(*args), f"mount {fs}")


def bind(source, target):
    call(LIBC.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None), "mount --bind")


def unmount(target):
    call(LIBC.umount2(os.fsencode(target), 0), f"umount {target}")


def sync(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    call(LIBC.syncfs(descriptor), "syncfs")
    os.close(descriptor)


def programs_missing(fs):
    found = [MAKE[fs][0], "qemu-storage-daemon"]
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in found if not shutil.which(name, path=path)]


def make_file_system(path, fs):
    with open(path, "wb") as file:
        file.truncate(SIZES[fs])
    subprocess.run([*MAKE[fs], path], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})


class Loop:
    """A loop device over PATH, open as long as this object lives: then the kernel frees it."""

    def __init__(self, path):
        with open(path, "r+b", buffering=0) as backing:
            self.name = self.take(backing.fileno())

    def take(self, backing):
        """Another process may take the free device that the kernel names."""
        with open("/dev/loop-control", "rb", buffering=0) as control:
            for _ in range(1000):
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
                name = f"/dev/loop{number}"
                if not os.path.exists(name):
                    os.mknod(name, 0o60660, os.makedev(7, number))
                self.descriptor = os.open(name, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.ioctl(self.descriptor, LOOP_SET_FD, backing)
                except OSError as error:
                    os.close(self.descriptor)
                    if error.errno != errno.EBUSY:
                        raise
                    continue
                info = bytearray(LOOP_INFO_SIZE)
                fcntl.ioctl(self.descriptor, LOOP_GET_STATUS64, info)
                info[LOOP_FLAGS_AT] |= LOOP_AUTOCLEAR
                fcntl.ioctl(self.descriptor, LOOP_SET_STATUS64, bytes(info))
                return name
        raise OSError(errno.EBUSY, "no free loop device")

    def forget(self):
        """Drops what the kernel has cached of the device: the file below has changed."""
        fcntl.ioctl(self.descriptor, BLKFLSBUF)

    def close(self):
        os.close(self.descriptor)


def write_data(target, data, at=0):
    """Writes the pages of DATA that are not zeros into the holes of TARGET."""
    zeros, view, start = bytes(PAGE), memoryview(data), None
    for page in range(0, len(data) + PAGE, PAGE):
        used = page < len(data) and view[page : page + PAGE] != zeros
        if used and start is None:
            start = page
        elif not used and start is not None:
            os.pwrite(target, view[start:page], at + start)
            start = None


class LoggedDisk:
    """A new file system in FOLDER, mounted at MOUNTED, whose requests go to FOLDER/log.raw; base.raw
    is the disk before the first of them."""

    def __init__(self, folder, fs):
        self.folder, self.fs = Path(folder), fs
        self.folder.mkdir()
        disk, self.log_path = self.folder / "disk.raw", self.folder / "log.raw"
        make_file_system(disk, fs)
        subprocess.run(["cp", "--sparse=always", disk, self.folder / "base.raw"], check=True)
        with open(self.log_path, "wb") as file:
            file.truncate(LOG_BYTES)
        export = self.folder / "export.img"
        export.touch()
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon",
             "--blockdev", f"driver=file,node-name=disk,filename={disk}",
             "--blockdev", f"driver=file,node-name=log,filename={self.log_path}",
             "--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,"
                           "log-sector-size=512",
             "--export", f"type=fuse,id=export,node-name=logged,mountpoint={export},writable=on"],
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.export = export
        wait_for(self.is_exported, what="the export of qemu-storage-daemon")
        self.loop = Loop(export)
        self.mounted = self.folder / "mnt"
        self.mounted.mkdir()
        mount(self.loop.name, self.mounted, fs, OPTIONS[fs])

    def is_exported(self):
        assert self.daemon.poll() is None, "qemu-storage-daemon ended"
        return self.export.stat().st_size == SIZES[self.fs]

    def close(self):
        """Unmounts and ends the daemon; base.raw and log.raw are what is left."""
        unmount(self.mounted)
        self.loop.close()
        wait_for(lambda: self.is_let_go(), what="the loop device's end")
        self.daemon.terminate()
        self.daemon.wait()
        (self.folder / "disk.raw").unlink()
        log = map_log(self.log_path)
        log.read_more()
        os.truncate(self.log_path, log.at)

    def is_let_go(self):
        backing = Path("/sys/block") / Path(self.loop.name).name / "loop/backing_file"
        return not backing.exists() or str(self.export) not in backing.read_text()


def map_log(path):
    with open(path, "rb") as file:
        return Log(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class ReplayDisk:
    """A disk that is put into one state after the other. FOLDER takes its files; RECORDED is the
    folder of a LoggedDisk."""

    def __init__(self, folder, recorded, fs):
        self.folder, self.fs = Path(folder), fs
        self.folder.mkdir(parents=True)
        self.size = SIZES[fs]
        self.base = self.make_file("base.raw")  # up to the last flush
        self.image = self.make_file("image.raw")  # what is mounted
        with open(Path(recorded) / "base.raw", "rb") as file:
            write_data(self.base, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.base_view = mmap.mmap(self.base, self.size, access=mmap.ACCESS_READ)
        self.loop = Loop(self.folder / "image.raw")
        self.mounted = self.folder / "mnt"
        self.mounted.mkdir()

    def make_file(self, name):
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, self.size)
        return descriptor

    def write(self, log, number, parts=None, target=None):
        entry = log.entries[number]
        content = log.content(entry)
        for begin, end in parts or ((0, entry.sectors),):
            piece = content[begin * SECTOR : end * SECTOR]
            os.pwrite(target or self.base, piece, (entry.sector + begin) * SECTOR)

    def put(self, log, picks):
        """The image becomes the base with PICKS written on it."""
        call(LIBC.fallocate(self.image, PUNCH_HOLE | KEEP_SIZE, ctypes.c_long(0),
                            ctypes.c_long(self.size)), "fallocate")  # fmt: skip
        at = 0
        while at < self.size:
            try:
                at = os.lseek(self.base, at, os.SEEK_DATA)
            except OSError:
                break  # no more
            end = os.lseek(self.base, at, os.SEEK_HOLE)
            os.pwrite(self.image, memoryview(self.base_view)[at:end], at)
            at = end
        for pick in picks:
            self.write(log, pick.number, pick.parts, self.image)
        self.loop.forget()

    def mount(self):
        mount(self.loop.name, self.mounted, self.fs, OPTIONS[self.fs])

    def unmount(self):
        unmount(self.mounted)
