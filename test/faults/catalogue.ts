/**
 * The faults that a log on a disk meets, and what must come of each. A test says in its title which rows it holds, as in
 * `[fault 15]`, `[faults 6, 8]` or, where it runs only under some condition, `[fault 6: Linux, root]`;
 * `scripts/reliability.ts` makes the table in `docs/reliability.md` of both.
 */

/** One fault. */
export interface Fault {
  /** Stable: tests name it. */
  readonly id: string;
  /** Heading under which it stands. */
  readonly part: string;
  /** What can happen. */
  readonly fault: string;
  /** What must come of it. */
  readonly outcome: string;
}

const parts:
  readonly (readonly [part: string, rows: readonly (readonly [id: string, fault: string, outcome: string])[]])[] = [
    ["Writes and syncs that fail", [
      [
        "1",
        "A write fails and nothing of it arrived",
        "its records are rejected, the shard is poisoned, nothing later is acknowledged, reopening works",
      ],
      [
        "2",
        "The system takes fewer bytes than it was given, and reports no error",
        "the rest is written at its place; a call that takes no byte is an error",
      ],
      [
        "3",
        "A write arrives in part, then fails",
        "reopening cuts back to the last whole batch; nothing is ever appended behind the junk",
      ],
      [
        "4",
        "A write is reported as failed although all of it arrived",
        "its records may be there after reopening, once; none is doubled",
      ],
      [
        "5",
        "A call is interrupted, with or without an error code",
        "tried again a limited number of times, then an error; an unknown error is never tried again",
      ],
      ["6", "The disk is full at an append", "`DISK_FULL`; reading goes on, and nobody sees part of a batch"],
      [
        "7",
        "The disk is full at a roll, an index or an anchor",
        "an index that cannot be written ends and is made again later; the rest poisons the shard; acknowledged records stay",
      ],
      ["8", "There is room again", "reopening checks the tail and goes on; nothing acknowledged is missing"],
      ["9", "Out of inodes or file descriptors", "an error that names the limit, and no half-made segment"],
      [
        "10",
        "A sync fails once and would succeed if it were tried again",
        "everyone who waited for it is told, the shard is poisoned, and the sync is not tried again",
      ],
      [
        "11",
        "The sync of a finished segment or of a directory fails",
        "nothing more is acknowledged; the shard is poisoned",
      ],
      [
        "12",
        "A sync says it succeeded and was none",
        "the next opening answers `DATA_LOSS` where synced records are missing",
      ],
      ["13", "A system whose `fdatasync` leaves data in the drive (macOS)", "the full sync is used there"],
      [
        "14",
        "A file was created or renamed, and its directory was not synced",
        "a segment may vanish only while nothing in it was acknowledged on `disk`",
      ],
      [
        "29c",
        "Two writes in flight on one file arrive in the other order",
        "writes in flight on one file never overlap",
      ],
    ]],
    ["What a crash leaves", [
      ["15", "The last batch is cut, at any byte", "it is cut off, a copy is kept, the amount is reported"],
      ["16", "Sectors of the last write arrived in any selection", "as 15; the size of a file proves nothing"],
      ["17", "The file has its new size and holds zeros", "zeros are no batch: cut off"],
      ["18", "Garbage behind the last batch", "cut off, a copy is kept"],
      [
        "19",
        "The anchor is on the disk, the records it speaks of are not",
        "the anchor is a hint: what is intact counts, and a loss of what was synced is reported",
      ],
      ["20", "The index is on the disk, the records are not", "rows behind the end of the log are dropped"],
      [
        "21",
        "A write in the middle was lost, later ones arrived",
        "not taken for an ordinary torn tail: the intact beginning counts, the rest is kept aside and reported as loss",
      ],
      ["22", "An intact batch stands in the wrong place", "refused by continuity, epoch and index row"],
      ["39", "Old intact batches come back behind the end", "refused by epoch and continuity"],
      ["40", "Recovery is interrupted, twice, at any operation", "done again, it comes to the same result"],
      [
        "41",
        "`kill -9` at any write, sync or rename",
        "nothing acknowledged is lost on either rung: the page cache lives on",
      ],
      ["42", "A power loss", "at most what was not synced is lost, from some record on; what was synced is there"],
      [
        "60",
        "The process ends by a signal, an uncaught exception or rejection, or `exit`",
        "nothing acknowledged is lost; no exit handler is needed for that",
      ],
    ]],
    ["Bits that rot, files that vanish", [
      ["23", "A read flips a bit once", "read a second time before anything is called damaged"],
      [
        "24",
        "A flipped bit in a batch header, also where Kafka's checksum does not reach",
        "found; the other batches stay readable",
      ],
      [
        "25",
        "A flipped bit in a batch's records",
        "`CORRUPT_BATCH` with shard, file, position and offsets; a reader stops there or, told so, skips exactly this batch and says which offsets",
      ],
      [
        "26",
        "A flipped bit in the last segment, in front of other batches",
        "nothing is cut there; reading names the gap; `repair` is for the user to call",
      ],
      [
        "27",
        "A flipped bit in the last batch",
        "synced: damage, the shard is read-only and nothing is cut; not synced and the machine went down: a torn tail, a copy is kept",
      ],
      ["28", "A flipped bit in an index", "its rows are not believed; every read gives the same"],
      ["29", "Flipped bits in an anchor, in one slot or both", "the same records are recovered as with a good one"],
      [
        "29a",
        "Flipped bits in a state, in one slot or both",
        "the other slot counts; both: read-only, and `repair` makes it again",
      ],
      [
        "29b",
        "Flipped bits in a manifest, in one copy or both",
        "the other copy counts; both: read-only with what the directories tell, and `repair` makes it again",
      ],
      [
        "30",
        "Flipped bits in a stored position of a consumer",
        "the other copy counts, else a typed error; never silently the beginning",
      ],
      ["31", "A file of any kind is empty", "as if it were missing; what can be made again is"],
      [
        "32",
        "A segment in the middle is missing",
        "its offsets are reported as a gap; what lies behind stays readable",
      ],
      ["33", "The last segment is missing", "found: `DATA_LOSS` where its records were acknowledged"],
      ["34", "Files of others: editor backups, `.tmp`, anything", "ignored and never removed"],
      [
        "35",
        "A segment copied or renamed, files of two shards swapped",
        "no record is read in the wrong place; `repair` sets aside what is not this shard's",
      ],
      [
        "36",
        "A finished segment is cut between two batches",
        "found by the next segment's first offset, and reported as a gap",
      ],
      ["37", "An anchor from a backup", "read forward from where it points: the same records"],
      [
        "38",
        "A log from a backup under an anchor that is newer",
        "`DATA_LOSS`; it opens only with the caller's consent",
      ],
    ]],
    ["Clocks, other programs, file systems", [
      [
        "43",
        "The clock jumps back, forward, or stands still",
        "offsets do not care; a read from a time finds the first record with that time or a later one; retention takes at most one segment at a time",
      ],
      [
        "44",
        "A second writer: same process, thread, other process, other runtime",
        "refused at once, told who has the log, and has written nothing",
      ],
      [
        "45",
        "A writer stands still, loses the lock, and goes on",
        "it finds the other's epoch before it acknowledges anything, and is poisoned",
      ],
      ["46", "A network file system", "refused unless the caller insists"],
      [
        "47",
        "A read-only directory, or a file system that becomes read-only",
        "opens for reading and writes nothing; a writer's shard is poisoned and reading goes on",
      ],
      [
        "52",
        "Hostile names: `..`, `/`, NUL, 300 characters, device names",
        "a strict set of ASCII characters; no name from outside is part of a path as it is",
      ],
      ["53", "A symbolic link where a file should be", "never followed; files are for their owner only"],
      ["54", "A reader races the end of the log", "it sees what is published, and never part of a batch"],
      [
        "55",
        "A reader races retention",
        "`OFFSET_OUT_OF_RANGE` that names the first offset; never another file's bytes",
      ],
      [
        "56",
        "A worker ends between claiming offsets and publishing them",
        "an empty batch takes its place and the others go on",
      ],
      ["57", "A slow disk", "bounded memory, `BACKPRESSURE`, acknowledgements in order"],
    ]],
    ["Hostile bytes, limits, versions", [
      [
        "48",
        "A header that claims a length of 0, 2^31, 2^32 - 1, or less than a header",
        "compared with limit and file size before memory is taken",
      ],
      [
        "49",
        "Counts and sizes that lie, negative deltas, offsets that wrap",
        "a damaged batch; no endless loop, no number past 2^53 - 1",
      ],
      ["50", "A compressed batch that unpacks without end", "unpacked up to a limit only"],
      [
        "51",
        "A codec, flag or version that nobody knows yet",
        "`UNSUPPORTED`; the batch counts as intact and is never cut off",
      ],
      [
        "58",
        "Offsets around 2^31, 2^32 and 2^53 - 1",
        "a segment ends before relative offsets overflow 31 bits; appends beyond 2^53 - 1 are refused",
      ],
      [
        "59",
        "A log of an older or a newer version",
        "an older one stays readable and writable; a newer one is refused and not touched",
      ],
    ]],
  ];

/** All of them. */
export const CATALOGUE: readonly Fault[] = parts.flatMap(([part, rows]) =>
  rows.map(([id, fault, outcome]): Fault => ({
    id,
    part,
    fault,
    outcome,
  }))
);
