/** The inbox in a real browser, with its server on each runtime: what one person sends another sees, also after a kill. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { after, describe, it } from "node:test";
import { type Browser, launch, type Page } from "puppeteer-core";
import { useDirectory } from "../helpers.ts";
import { endAll, ExampleProcess, type RuntimeName } from "./example_process.ts";

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const WAIT_MS = 15_000;
/** Looked at by time: a page in the background draws nothing. */
const POLLING = { polling: 20 };
const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];

const path = process.env.BROWSER_PATH ?? BROWSERS.find((path) => existsSync(path));
const skip = "Bun" in globalThis || "Deno" in globalThis
  ? "it runs on Node, with the server on all three runtimes"
  : path === undefined && process.env.BROWSER !== "required" && "chromium must be installed";
if (skip !== false) console.log(`The inbox is not opened in a browser: ${skip}`);

let starting: Promise<Browser> | undefined;

function browser(): Promise<Browser> {
  // As root a browser's own sandbox cannot be had; it opens nothing but this page.
  starting ??= launch({
    executablePath: path ?? BROWSERS[0],
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  return starting;
}

async function serve(runtime: RuntimeName, directory: string): Promise<{ server: ExampleProcess; address: string }> {
  const server = new ExampleProcess(runtime, "inbox/server.ts", [directory, "--port", "0"]);
  return { server, address: new URL(await server.firstLine()).origin };
}

async function openInbox(address: string, user: string): Promise<Page> {
  const page = await (await browser()).newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${address}/?user=${user}`);
  await page.waitForFunction(() => document.body.dataset.live === "yes", POLLING);
  return page;
}

/** A click in a page that is not in front would wait until it is. */
async function click(page: Page, selector: string): Promise<void> {
  await page.bringToFront();
  await page.click(selector);
}

async function send(page: Page, to: string, text: string): Promise<void> {
  await page.bringToFront();
  await page.$eval("#to", (field, to) => (field as HTMLInputElement).value = to, to);
  await page.type("#text", text);
  await click(page, "#send button");
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>("#text")!.value === "", POLLING);
}

/** Waits until so many messages are unread, as the badge says. */
async function unread(page: Page, badge: string): Promise<void> {
  await page.waitForFunction(
    (badge) => {
      const element = document.querySelector<HTMLElement>("#unread")!;
      return (element.hidden ? "0" : element.textContent) === badge;
    },
    POLLING,
    badge,
  );
}

const shown = (page: Page): Promise<(string | null)[]> =>
  page.$$eval("#messages li", (lines) => lines.map((line) => line.childNodes[1].textContent));

describe("the inbox in a browser", () => {
  after(async () => {
    endAll();
    await (await starting)?.close();
  });

  for (const runtime of RUNTIMES) {
    it(`shows, counts and keeps what was sent; the server runs on ${runtime} and is killed`, { skip }, async () => {
      await useDirectory(async (directory) => {
        const first = await serve(runtime, directory);
        const alice = await openInbox(first.address, "alice");
        const bob = await openInbox(first.address, "bob");
        await send(alice, "bob", "hi Bob");
        await send(alice, "bob", "<b>are</b> you there?");
        await unread(bob, "2");
        assert.deepEqual(await shown(bob), ["hi Bob", "<b>are</b> you there?"]);
        await click(bob, "#read");
        await unread(bob, "0");
        await send(bob, "alice", "yes");
        await unread(alice, "1");
        await first.server.end("SIGKILL");

        const second = await serve(runtime, directory);
        const again = await openInbox(second.address, "bob");
        await unread(again, "0");
        assert.deepEqual(await shown(again), ["hi Bob", "<b>are</b> you there?"]);
        const other = await openInbox(second.address, "alice");
        await unread(other, "1");
        await send(other, "bob", "good");
        await unread(again, "1");
        for (const page of [alice, bob, again, other]) await page.close();
        const { exitCode, stderr } = await second.server.end("SIGTERM");
        assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
      });
    });
  }

  it("shows the last 50 of many, and 99+", { skip }, async () => {
    await useDirectory(async (directory) => {
      const { server, address } = await serve("node", directory);
      const body = (n: number): string => JSON.stringify({ from: "robot", text: `message ${n}` });
      for (let n = 1; n <= 130; n++) {
        const response = await fetch(`${address}/inbox/carol/messages`, { method: "POST", body: body(n) });
        assert.equal(response.status, 200);
        await response.arrayBuffer();
      }
      const page = await openInbox(address, "carol");
      assert.deepEqual(await shown(page), Array.from({ length: 50 }, (_, i) => `message ${81 + i}`));
      await unread(page, "99+");
      await page.close();
      await server.end("SIGTERM");
    });
  });

  it("says what is wrong with a request", { skip }, async () => {
    await useDirectory(async (directory) => {
      const { server, address } = await serve("node", directory);
      const page = await openInbox(address, "alice");
      await page.$eval("#to", (field) => (field as HTMLInputElement).value = "bob");
      await page.$eval("#text", (field) => (field as HTMLInputElement).value = "x".repeat(20_000));
      await click(page, "#send button");
      await page.waitForFunction(
        () => document.querySelector("#problem")!.textContent!.includes("10000 bytes"),
        POLLING,
      );
      await page.close();
      assert.equal((await fetch(`${address}/inbox/..%2f/messages`)).status, 400);
      await server.end("SIGTERM");
    });
  });
});
