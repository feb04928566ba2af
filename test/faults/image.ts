/** Small ext4 file systems in a file of their own: mounted, filled, cut off. As root on Linux only. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run, whyNoMounts } from "../conformance/mounts.ts";

/** EXT4_IOC_SHUTDOWN: from now on nothing reaches the device. */
const SHUTDOWN = 0x8004587d;
/** What the file system does before it stops; `cut` is what a power cut is. */
const SHUTDOWN_FLAGS = { cut: 2, "cut after the journal": 1 } as const;

export type ShutdownKind = keyof typeof SHUTDOWN_FLAGS;

/** Programs that can make the call: no runtime can by itself. The fastest comes first. */
const CALLERS: readonly (readonly string[])[] = [
  [
    "perl",
    "-e",
    'open(my $f, "<", $ARGV[0]) or exit 1; my $b = pack("L", $ARGV[2]); exit(ioctl($f, $ARGV[1], $b) ? 0 : 1)',
  ],
  [
    "python3",
    "-c",
    "import fcntl, os, struct, sys; p, c, f = sys.argv[1:]; fcntl.ioctl(os.open(p, 0), int(c), struct.pack('I', int(f)))",
  ],
];

function callerHere(): readonly string[] | undefined {
  return CALLERS.find(([program]) => spawnSync(program, ["--version"]).status === 0);
}

/** Why there are no images here, or `false`. */
export const whyNoImages: () => string | false = whyNoMounts;

/** Why the power cannot be cut here, or `false`. */
export function whyNoPowerCuts(): string | false {
  return whyNoMounts() || (callerHere() === undefined && "cutting the power takes perl or python3 for one ioctl");
}

/** Waits for its standard input to end, which it does with this process, however that ends; then cleans up. */
const GUARDIAN = 'cat >/dev/null; while umount -l "$1" 2>/dev/null; do :; done; rm -rf --one-file-system "$2"';

/** A file system that is mounted at `point`. */
export class Image {
  readonly point: string;
  readonly #file: string;
  readonly #caller: readonly string[] | undefined = callerHere();

  constructor(directory: string) {
    this.point = join(directory, "mount");
    this.#file = join(directory, "image");
    mkdirSync(this.point);
  }

  /** Makes the file system. `options` are those of `mkfs.ext4`. */
  make(bytes: number, ...options: string[]): void {
    writeFileSync(this.#file, "");
    truncateSync(this.#file, bytes);
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", ...options, this.#file);
  }

  mount(options = "defaults"): void {
    run("mount", "-t", "ext4", "-o", `loop,${options}`, this.#file, this.point);
  }

  unmount(): void {
    run("umount", this.point);
  }

  /** Cuts the power: what is in the page cache only never reaches the image. Reads may still be answered. */
  shutDown(kind: ShutdownKind): void {
    const [program, ...args] = this.#caller!;
    run(program, ...args, this.point, String(SHUTDOWN), String(SHUTDOWN_FLAGS[kind]));
  }

  /** Name of the loop device, such as `loop3`. */
  device(): string {
    const { stdout } = spawnSync("findmnt", ["-n", "-o", "SOURCE", this.point], { encoding: "utf8" });
    const name = stdout.trim().replace("/dev/", "");
    assert.match(name, /^loop\d+$/);
    return name;
  }

  /** Unmounts whatever is mounted. Lazily: after a failure a file may still be open. */
  dispose(): void {
    while (spawnSync("umount", ["-l", this.point]).status === 0);
  }
}

/** Runs `body` with an image in a directory of its own; nothing stays mounted, however this process ends. */
export async function useImage(body: (image: Image, beside: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bimip-image-"));
  const image = new Image(directory);
  const beside = join(directory, "beside");
  mkdirSync(beside);
  // In a session of its own: it must outlive whoever ends this one with all its children.
  const command = ["/bin/sh", "-c", GUARDIAN, "sh", image.point, directory];
  const setsid = existsSync("/usr/bin/setsid") ? ["setsid"] : [];
  const [program, ...args] = [...setsid, ...command];
  const guardian = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"], cwd: "/" });
  const gone = new Promise((resolve) => guardian.once("close", resolve));
  const stop = (): void => {
    image.dispose();
    process.exit(143);
  };
  process.once("SIGTERM", stop);
  try {
    await body(image, beside);
  } finally {
    process.removeListener("SIGTERM", stop);
    image.dispose();
    rmSync(directory, { recursive: true, force: true });
    guardian.stdin.end();
    await gone;
  }
}
