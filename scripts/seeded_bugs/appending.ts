/** Mistakes between the program's record and the bytes in the files. */
import { type Bug, bug } from "./bug.ts";

const QUEUE = "src/shard/write_queue.ts";
const SEGMENT = "src/segment/segment_writer.ts";
const BODIES = "src/segment/body_writer.ts";
const BUFFER = "src/shard/append_buffer.ts";

export const APPENDING: readonly Bug[] = [
  {
    name: "acknowledged-before-written",
    what: "A batch is acknowledged while its write is still under way.",
    edits: [{
      file: BODIES,
      text: "if (body.tail === undefined) return body.done;",
      replacement: "if (body.tail === undefined) return;",
    }],
  },
  bug(
    "overlapping-writes",
    "A body begins with the last byte of the one before it, which may still be in flight.",
    BODIES,
    "this.position = position + to - from;",
    "this.position = position + to - from - 1;",
  ),
  bug(
    "position-off-by-one",
    "The position in an index row is that of the byte behind the batch's first one.",
    SEGMENT,
    "maximum = writeBatchRow(this.#rows, rows, bytes, at, position, maximum);",
    "maximum = writeBatchRow(this.#rows, rows, bytes, at, position + 1, maximum);",
  ),
  bug(
    "short-write-not-continued",
    "What the system did not take of a write is not written.",
    "adapters/posix_file.ts",
    "if (written < from.length) return this.#writeOn(from, position, written);",
    "",
  ),
  bug(
    "memory-given-back-early",
    "The memory of a chunk is given back before it is written.",
    QUEUE,
    "const { chunk, body, startedMs } = this.#entries[0];",
    "const { chunk, body, startedMs } = this.#entries[0];\n    this.#buffer.release(chunk);",
  ),
  bug(
    "memory-never-given-back",
    "What is written still counts as buffered: a shard takes nothing more after a while.",
    BUFFER,
    "this.bytes -= bytes;",
    "",
  ),
  bug(
    "room-waiters-forgotten",
    "Nobody who waits for room is told that there is some.",
    "src/shard/room.ts",
    "this.#waiters.reach(0);",
    "",
  ),
  bug(
    "base-offset-not-patched",
    "A ready-made batch keeps base offset 0.",
    "src/batch/format.ts",
    "writeI64(bytes, at + BASE_OFFSET_AT, baseOffset);\n  writeI32(bytes, at + EPOCH_AT, epoch);\n}",
    "void baseOffset;\n  writeI32(bytes, at + EPOCH_AT, epoch);\n}",
  ),
  bug(
    "failed-write-not-poisonous",
    "A shard goes on after a write that failed.",
    "src/shard/commit_loop.ts",
    "this.#shard.failed(error);",
    "void error;",
  ),
  bug(
    "flush-timer-not-armed",
    "Records that fill no batch are never flushed by time.",
    "src/shard/shard_writer.ts",
    "else if (!this.timerArmed) this.#context.armTimer(this);",
    "",
  ),
  bug(
    "slot-changed-before-written",
    "A slot write that fails makes the next one go over the slot that is valid.",
    "src/anchor/slot_file.ts",
    "const done = this.#file.write(slot, this.#next * SLOT_DISTANCE);",
    "const place = this.#next * SLOT_DISTANCE;\n    this.#next = 1 - this.#next;\n" +
      "    const done = this.#file.write(slot, place);\n    this.#next = 1 - this.#next;",
  ),
  bug(
    "one-slot-only",
    "Every slot is written over the one before, so a torn write leaves none.",
    "src/anchor/slot_file.ts",
    "this.#next = 1 - this.#next;",
    "",
  ),
];
