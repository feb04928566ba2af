/**
 * Opens the second handle of a segment, past the page cache, while its writes go on.
 *
 * @module
 */
import { logPath } from "../segment/names.ts";
import type { SegmentWriter } from "../segment/segment_writer.ts";
import type { MaybePromise, Vfs, VfsFile } from "../vfs.ts";
import type { WriteModeChoice } from "./write_mode.ts";

/** See above. Until it is open, and where it cannot be opened, the page cache does as well. */
export class DirectOpening {
  /** Resolves once the handle is there, or refused; `undefined` while none is being opened. */
  settled: Promise<void> | undefined = undefined;
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #writeMode: WriteModeChoice;

  constructor(vfs: Vfs, directory: string, writeMode: WriteModeChoice) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#writeMode = writeMode;
  }

  open(segment: SegmentWriter): void {
    if (this.settled !== undefined) return;
    const writeMode = this.#writeMode;
    let opened: MaybePromise<VfsFile>;
    try {
      opened = this.#vfs.open(logPath(this.#directory, segment.identity.base), "write", { direct: true });
    } catch {
      return writeMode.refuse();
    }
    if (!(opened instanceof Promise)) return segment.body.useDirect(opened);
    this.settled = opened.then((file) => segment.body.useDirect(file), () => writeMode.refuse()).finally(() => {
      this.settled = undefined;
    });
  }
}
