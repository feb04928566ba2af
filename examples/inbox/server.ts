/**
 * A web server for the inboxes: a page, and what the page asks for.
 *
 *     node examples/inbox/server.ts [DIRECTORY] [--port N]
 *
 * The same on `bun` and `deno run -A`. Then open http://127.0.0.1:8080/?user=alice in one window and ?user=bob in another. It listens on this
 * machine only, and believes whoever says "I am alice": sign-in is left to the program that this would become.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import process from "node:process";
import { parseArgs } from "node:util";
import { Inboxes } from "./inbox.ts";

const PAGE = readFileSync(new URL("page.html", import.meta.url));
const SHOWN = 50;
const MAX_BODY_BYTES = 64 * 1024;
const USER = /^[\w.@-]{1,100}$/;

/** A request that cannot be answered, and why. */
class BadRequest extends Error {}

async function answer(inboxes: Inboxes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://inbox");
  if (request.method === "GET" && url.pathname === "/") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(PAGE);
    return;
  }
  const [, area, user = "", what] = url.pathname.split("/").map(decodeURIComponent);
  if (area !== "inbox" || !USER.test(user)) throw new BadRequest(`there is nothing at ${url.pathname}`);
  switch (`${request.method} ${what}`) {
    case "GET messages":
      return sayJson(response, await inboxes.last(user, SHOWN));
    case "POST messages": {
      const { from, text } = await bodyOf(request);
      if (typeof from !== "string" || !USER.test(from) || typeof text !== "string") {
        throw new BadRequest("a message needs a sender and a text");
      }
      return sayJson(response, await inboxes.send(from, user, text));
    }
    case "GET unread":
      return sayJson(response, await inboxes.unread(user));
    case "POST read": {
      const { id } = await bodyOf(request);
      if (!Number.isSafeInteger(id)) throw new BadRequest("which message was read?");
      await inboxes.markRead(user, id as number);
      return sayJson(response, await inboxes.unread(user));
    }
    case "GET live":
      return await sayEvents(inboxes, user, Number(url.searchParams.get("behind") ?? -1), request, response);
    default:
      throw new BadRequest(`there is nothing at ${url.pathname}`);
  }
}

/** Server-sent events: each message as it comes. The browser asks again where the connection ends, with the last id it has seen. */
async function sayEvents(
  inboxes: Inboxes,
  user: string,
  behind: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const seen = Number(request.headers["last-event-id"] ?? behind);
  if (!Number.isSafeInteger(seen)) throw new BadRequest("behind which message?");
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": here\n\n");
  for await (const message of inboxes.follow(user, seen, gone.signal)) {
    const isRoom = response.write(`id: ${message.id}\ndata: ${JSON.stringify(message)}\n\n`);
    // A browser that does not read keeps nothing but its own stream waiting.
    if (!isRoom && !gone.signal.aborted) await new Promise((go) => response.once("drain", go).once("close", go));
  }
  response.end();
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BadRequest("the request is too large");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder().decode(Buffer.concat(chunks))) ?? {};
  } catch {
    throw new BadRequest("the request is no JSON");
  }
}

function sayJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** Serves until the process is told to end, then writes everything and closes. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: "string", default: "8080" } },
  });
  const inboxes = await Inboxes.open(positionals[0] ?? "data/inbox-example");
  const server = createServer((request, response) => {
    answer(inboxes, request, response).catch((error: Error) => {
      const isTheirs = error instanceof BadRequest || error instanceof RangeError || error instanceof URIError;
      if (!isTheirs) console.error(error);
      if (response.headersSent) {
        response.destroy();
        return;
      }
      response.writeHead(isTheirs ? 400 : 500, { "content-type": "text/plain" }).end(
        isTheirs ? error.message : "failed",
      );
    });
  });
  const end = (): void => {
    server.close();
    server.closeAllConnections();
    inboxes.close().then(() => process.exit(0), (error) => {
      console.error(error);
      process.exit(1);
    });
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  server.listen(Number(values.port), "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    console.log(`http://127.0.0.1:${port}/?user=alice`);
  });
}

await main();
