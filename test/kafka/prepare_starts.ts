/**
 * Keeps the classes of Kafka's broker as the virtual machine has them in memory, and the files of a new broker's directory:
 * everything of Kafka's starts in half the time then, and no tool has to run before a broker.
 *
 *     node test/kafka/prepare_starts.ts
 *
 * Takes as long as two starts of a broker, once for a list of jars. The tests do without it as well.
 */
import { cpSync, existsSync, renameSync } from "node:fs";
import process from "node:process";
import { Broker } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { archivePath, formattedPath } from "./java.ts";

if (!existsSync(formattedPath())) {
  const [classes, formatted] = [archivePath(), formattedPath()].map((path) => `${path}.${process.pid}`);
  const broker = await Broker.create({ archiveClasses: classes });
  try {
    await broker.format();
    cpSync(broker.dataDirectory, formatted, { recursive: true });
    await broker.start();
    await createTopic(broker, "classes", 1);
    await broker.stop();
  } finally {
    await broker.remove();
  }
  renameSync(classes, archivePath());
  renameSync(formatted, formattedPath());
}
