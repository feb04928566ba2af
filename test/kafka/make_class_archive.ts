/**
 * Keeps the classes of Kafka's broker as the virtual machine has them in memory: everything of Kafka's starts in half the time then.
 *
 *     node test/kafka/make_class_archive.ts
 *
 * Takes as long as two starts of a broker, once for a list of jars. The tests do without it as well.
 */
import { existsSync, renameSync } from "node:fs";
import process from "node:process";
import { Broker } from "./broker.ts";
import { archivePath } from "./java.ts";

if (!existsSync(archivePath())) {
  const draft = `${archivePath()}.${process.pid}`;
  const broker = await Broker.create({ archiveClasses: draft });
  try {
    await broker.start();
    await broker.createTopic("classes");
    await broker.stop();
  } finally {
    await broker.remove();
  }
  renameSync(draft, archivePath());
}
