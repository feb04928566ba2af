/**
 * Inboxes for any number of people on two logs: one with the messages, keyed by who gets them, and one with how far each of them
 * has read. Nothing else is stored: the last messages, the unread count and the live view are reads of a user's stream.
 *
 * In a program of your own, import from "@bimip/log".
 */
import { type Log, type LogRecord, openLog } from "../../mod.ts";

/** A message as the page shows it. */
export interface Message {
  /** Grows from message to message within one inbox. */
  readonly id: number;
  readonly from: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Unread messages beyond so many are not counted: the page shows "99+". */
const MOST_UNREAD = 100;
const MAX_TEXT_BYTES = 10_000;

/** See above. One process has it open. */
export class Inboxes {
  readonly #messages: Log;
  readonly #marks: Log;

  private constructor(messages: Log, marks: Log) {
    this.#messages = messages;
    this.#marks = marks;
  }

  /** @param directory Where both logs are; made if there is nothing. */
  static async open(directory: string): Promise<Inboxes> {
    const messages = await openLog(`${directory}/messages`, { shards: 4 });
    try {
      return new Inboxes(messages, await openLog(`${directory}/marks`, { shards: 4 }));
    } catch (error) {
      await messages.close();
      throw error;
    }
  }

  /** Puts a message into the inbox of `to`, and answers once it would survive the end of this process. */
  async send(from: string, to: string, text: string): Promise<Message> {
    const size = new TextEncoder().encode(text).length;
    if (size === 0 || size > MAX_TEXT_BYTES) {
      throw new RangeError(`a text has 1 to ${MAX_TEXT_BYTES} bytes, not ${size}`);
    }
    const time = Date.now();
    const { offset } = await this.#messages.append({ key: to, value: text, headers: { from }, timestamp: time });
    return { id: offset, from, text, time };
  }

  /** The newest messages of an inbox, oldest of them first. */
  async last(user: string, count: number): Promise<Message[]> {
    const found: Message[] = [];
    for await (const record of this.#messages.user(user).read({ last: count })) found.push(messageOf(record));
    return found;
  }

  /** What comes behind the message with this id, as it comes. Ends with the signal, or when the inboxes are closed. */
  async *follow(user: string, behind: number, signal: AbortSignal): AsyncGenerator<Message> {
    try {
      const records = this.#messages.user(user).read({ from: behind + 1, follow: true, signal });
      for await (const record of records) yield messageOf(record);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Everything up to this message was read. */
  async markRead(user: string, id: number): Promise<void> {
    await this.#marks.append({ key: user, value: String(id) });
  }

  /** How many messages were not read yet, 100 at most. */
  async unread(user: string): Promise<number> {
    const mark = Number((await this.#marks.user(user).head())?.text() ?? -1);
    let count = 0;
    for await (const _ of this.#messages.user(user).read({ from: mark + 1, last: MOST_UNREAD })) count++;
    return count;
  }

  async close(): Promise<void> {
    await Promise.all([this.#messages.close(), this.#marks.close()]);
  }
}

function messageOf(record: LogRecord): Message {
  const from = record.headers.find(([name]) => name === "from")?.[1];
  return {
    id: record.offset,
    from: from === undefined || from === null ? "?" : new TextDecoder().decode(from),
    text: record.text() ?? "",
    time: record.timestamp,
  };
}
