/**
 * A job queue: programs put jobs into a log, workers do them. A worker that crashes loses nothing: its jobs are done by the others.
 *
 *     node examples/job_queue.ts add DIRECTORY TEXT …
 *     node examples/job_queue.ts work DIRECTORY [--threads 4]
 *
 * The same on `bun` and `deno run -A`. Each thread is a member of one group, so every shard with its jobs belongs to one thread at a time.
 * Jobs are delivered at least once: where a thread dies between doing a job and committing it, the job comes again. So whoever does a job
 * marks it as done under its number, in a second log, and looks there first. That makes it once, but for a job whose worker
 * dies, or stands still for longer than its lease, between beginning it and the mark: give the job's number to what you call, and let that refuse it twice. A job that takes
 * its thread along three times is set aside instead of taking the others along, too.
 *
 * In a program of your own, import from "@bimip/log" and "@bimip/log/consumer".
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { connectConsumer, type ConsumerHandle } from "../consumer.ts";
import { type Log, LogError, openLog } from "../mod.ts";

const SHARDS = 8;
/** A thread that gives no sign of life for so long has lost its jobs to the others. */
const LEASE_MS = 1000;
const MAX_ATTEMPTS = 3;

/** What a thread says: that it begins a job, which is answered with whether it shall, or that it has done it. */
interface Message {
  readonly is: "begun" | "done";
  /** Its number: shard and offset. */
  readonly job: string;
  readonly text: string;
}

/** The answer to `begun`. */
interface Order {
  readonly perform: boolean;
  /** From 1. */
  readonly attempt: number;
}

/** Which jobs are done: a log of its own, the number of a job as the key. */
class DoneMarks {
  readonly #log: Log;
  readonly #done = new Set<string>();

  private constructor(log: Log) {
    this.#log = log;
  }

  static async open(directory: string): Promise<DoneMarks> {
    const marks = new DoneMarks(await openLog(directory, { durability: "disk" }));
    for await (const record of marks.#log.read()) marks.#done.add(record.keyText()!);
    return marks;
  }

  has(job: string): boolean {
    return this.#done.has(job);
  }

  async add(job: string): Promise<void> {
    await this.#log.append({ key: job, value: null });
    this.#done.add(job);
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

/** Adds jobs; each is safe once this resolves. */
export async function add(directory: string, jobs: readonly string[]): Promise<void> {
  await using log = await openLog(directory, { shards: SHARDS, durability: "disk" });
  await Promise.all(jobs.map((value) => log.append({ value })));
}

/** What came of a run. */
export interface Report {
  readonly done: number;
  /** Jobs that came again, and were found to be done. */
  readonly again: number;
  /** Jobs that were given up. */
  readonly setAside: number;
  /** Threads that ended before the work did. */
  readonly crashed: number;
}

/**
 * Does all jobs that are there, in threads.
 *
 * @param onDone Called with each job and its number once it is marked.
 */
export async function work(
  directory: string,
  threads: number,
  onDone: (job: string, text: string) => void = () => {},
): Promise<Report> {
  await using log = await openLog(directory, { shards: SHARDS, durability: "disk" });
  const marks = await DoneMarks.open(`${directory}-done`);
  let [done, again, setAside, crashed] = [0, 0, 0, 0];
  const attempts = new Map<string, number>();
  const begin = async (job: string): Promise<Order> => {
    const attempt = (attempts.get(job) ?? 0) + 1;
    attempts.set(job, attempt);
    if (marks.has(job)) again++;
    else if (attempt <= MAX_ATTEMPTS) return { perform: true, attempt };
    else {
      await marks.add(job);
      setAside++;
    }
    return { perform: false, attempt };
  };
  const run = (): Promise<void> =>
    new Promise((resolve) => {
      const handle = log.consumerHandle("workers", { leaseMs: LEASE_MS });
      const worker = new Worker(new URL(import.meta.url), { workerData: { handle } });
      worker.on("message", async ({ is, job, text }: Message) => {
        if (is === "begun") return worker.postMessage(await begin(job));
        await marks.add(job);
        done++;
        onDone(job, text);
        worker.postMessage({ perform: false, attempt: 0 } satisfies Order);
      });
      worker.on("error", () => {});
      worker.on("exit", (code) => {
        if (code !== 0) crashed++;
        resolve();
      });
    });
  try {
    // Where all threads end and jobs are left, one has crashed: others take them over.
    for (let left = Infinity; left > 0;) {
      await Promise.all(Array.from({ length: threads }, run));
      left = (await log.consumers()).find(({ name }) => name === "workers")?.total ?? 0;
    }
    return { done, again, setAside, crashed };
  } finally {
    await marks.close();
  }
}

/** Sends a message to the main thread and waits for its answer. */
function tell(message: Message): Promise<Order> {
  return new Promise((resolve) => {
    parentPort!.once("message", resolve);
    parentPort!.postMessage(message);
  });
}

/** Does one job: here it only takes a while. `crash once` and `crash always` end the thread. */
async function perform(text: string, attempt: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, text.length));
  if (text === "crash always" || (text === "crash once" && attempt === 1)) process.exit(1);
}

async function thread(handle: ConsumerHandle): Promise<void> {
  const jobs = connectConsumer(handle, { follow: false });
  for await (const record of jobs) {
    const job = `${record.shard}/${record.offset}`;
    const text = record.text() ?? "";
    const order = await tell({ is: "begun", job, text });
    if (order.perform) {
      await perform(text, order.attempt);
      await tell({ is: "done", job, text });
    }
    try {
      await jobs.commit(record);
    } catch (error) {
      // Slower than the lease: the job is delivered again to whoever has its shard by now, and found to be done.
      if (!(error instanceof LogError && error.code === "CONFLICT")) throw error;
    }
  }
  await jobs.close();
}

async function main(): Promise<number> {
  const { values, positionals: [command, directory, ...jobs] } = parseArgs({
    options: { threads: { type: "string", default: "4" } },
    allowPositionals: true,
  });
  if (command === "add" && directory !== undefined && jobs.length > 0) {
    await add(directory, jobs);
    console.log(`added ${jobs.length}`);
    return 0;
  }
  const threads = Number(values.threads);
  if (command === "work" && directory !== undefined && threads >= 1 && threads <= 64) {
    const report = await work(directory, threads, (job, text) => console.log(`${job}: ${text}`));
    console.log(
      `done ${report.done}, found done ${report.again}, set aside ${report.setAside}, threads crashed ${report.crashed}`,
    );
    return 0;
  }
  console.error("Usage: job_queue.ts add DIRECTORY TEXT … | work DIRECTORY [--threads 4]");
  return 2;
}

if (!isMainThread && workerData?.handle !== undefined) await thread(workerData.handle);
else if (import.meta.main) process.exitCode = await main();
