/** Where the shared suites run on the embedded log. */
import { openLog } from "../../mod.ts";
import { useDirectory } from "../helpers.ts";
import { expectIntact } from "../producer/expect.ts";
import type { UsePlace } from "./place.ts";

/** A new directory for each test. */
export const embedded: UsePlace = (shards, body) =>
  useDirectory((directory) => body({ open: (options) => openLog(directory, { shards, topic: "log", ...options }) }));

/** The same; afterwards the log must pass verification. */
export const verified: UsePlace = (shards, body) =>
  useDirectory(async (directory) => {
    await body({ open: (options) => openLog(directory, { shards, topic: "log", ...options }) });
    await expectIntact(directory);
  });
