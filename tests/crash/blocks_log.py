"""What a disk was told: the log of qemu's blklogwrites, and the states that a power cut may leave.

The format is that of dm-log-writes: a super block, then for each request a header of one sector
(first sector, number of sectors, flags, length) and the sectors themselves.

The model: at the moment at which the log has N entries, everything up to the last flush among them
is on the disk. Of each write after that flush all sectors, some or none are there, whatever became
of the writes before it.
"""

import hashlib
import struct
from dataclasses import dataclass, field

SECTOR = 512
HEADER = struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD = 1, 2, 4


@dataclass
class Entry:
    sector: int
    sectors: int
    flags: int
    offset: int  # of the data in the log

    @property
    def is_flush(self):
        return bool(self.flags & FLUSH)

    @property
    def is_write(self):
        return bool(self.sectors)


class Log:
    """BYTES is the log, which may still grow (a mapping of the file)."""

    def __init__(self, data):
        self.data, self.entries, self.at = data, [], SECTOR

    def read_more(self):
        """Takes what was added. Returns the number of entries."""
        while self.at + HEADER.size <= len(self.data):
            sector, sectors, flags, _ = HEADER.unpack_from(self.data, self.at)
            if not (sectors or flags):
                break
            self.at += SECTOR
            self.entries.append(Entry(sector, sectors, flags, self.at))
            if not flags & DISCARD:
                self.at += sectors * SECTOR
        return len(self.entries)

    def sector(self, entry, number):
        """Sector NUMBER of what ENTRY wrote; what was discarded is zeros."""
        if entry.flags & DISCARD:
            return bytes(SECTOR)
        start = entry.offset + number * SECTOR
        return self.data[start : start + SECTOR]

    def content(self, entry):
        if entry.flags & DISCARD:
            return bytes(entry.sectors * SECTOR)
        return self.data[entry.offset : entry.offset + entry.sectors * SECTOR]

    def last_flush(self, count):
        """How many of the first COUNT entries are surely on the disk."""
        while count and not self.entries[count - 1].is_flush:
            count -= 1
        return count

    def pending(self, count):
        """Numbers of the writes that may or may not be there when the log has COUNT entries."""
        return [n for n in range(self.last_flush(count), count) if self.entries[n].is_write]


@dataclass(frozen=True)
class Pick:
    """Of entry NUMBER the sectors of PARTS, (first, end) each; all of them when None."""

    number: int
    parts: tuple = None


@dataclass
class Base:
    """The disk up to a flush, as it grows, and its identity: a hash over all sectors written."""

    log: Log
    count: int = 0  # entries
    identity: int = 0
    sums: dict = field(default_factory=dict)  # sector -> hash
    cache: dict = field(default_factory=dict)  # entry number -> its sectors' hashes

    def sums_of(self, number):
        found = self.cache.get(number)
        if found is None:
            entry, found = self.log.entries[number], []
            for i in range(entry.sectors):
                place = (entry.sector + i).to_bytes(8, "little")
                digest = hashlib.blake2b(self.log.sector(entry, i), digest_size=16, key=place)
                found.append(int.from_bytes(digest.digest(), "little"))
            self.cache[number] = found
        return found

    def advance(self, count):
        """To the first COUNT entries. Returns the numbers of the entries to be written."""
        added = [n for n in range(self.count, count) if self.log.entries[n].is_write]
        for number in added:
            for i, value in enumerate(self.sums_of(number)):
                place = self.log.entries[number].sector + i
                self.identity ^= self.sums.get(place, 0) ^ value
                self.sums[place] = value
            del self.cache[number]
        self.count = max(self.count, count)
        return added

    def identity_with(self, picks):
        """That of the state with PICKS on top. Equal ones are states that are equal in each byte."""
        over = {}
        for pick in picks:
            first, sums = self.log.entries[pick.number].sector, self.sums_of(pick.number)
            for begin, end in pick.parts or ((0, len(sums)),):
                for i in range(begin, end):
                    over[first + i] = sums[i]
        identity = self.identity
        for place, value in over.items():
            identity ^= self.sums.get(place, 0) ^ value
        return identity


def tear(random, sectors):
    """Some of SECTORS sectors, neither none nor all of them: as parts of a Pick."""
    how = random.randrange(3)
    if how == 0:
        return ((0, random.randrange(1, sectors)),)
    if how == 1:
        return ((random.randrange(1, sectors), sectors),)
    chosen = [i for i in range(sectors) if random.random() < 0.5] or [random.randrange(sectors)]
    if len(chosen) == sectors:
        chosen.pop(random.randrange(sectors))
    return tuple((i, i + 1) for i in chosen)


def some_writes(random, log, count, whole=None):
    """A random subset of the writes that are pending at COUNT, some of them torn; WHOLE(entry) says
    which are never torn."""
    picks, share, torn = [], random.choice((0.15, 0.5, 0.85)), random.choice((0, 0.3, 0.8))
    for number in log.pending(count):
        entry = log.entries[number]
        if random.random() >= share:
            continue
        if entry.sectors > 1 and random.random() < torn and not (whole and whole(entry)):
            picks.append(Pick(number, tear(random, entry.sectors)))
        else:
            picks.append(Pick(number))
    return tuple(picks)


def all_writes(log, count):
    return tuple(Pick(number) for number in log.pending(count))
