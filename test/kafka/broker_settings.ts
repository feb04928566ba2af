/** What a Kafka broker for tests is told: one node, on loopback, quick to start, to stop and to come back. */

/** `server.properties` of a broker that listens on `port`. */
export function serverProperties(
  port: number,
  controllerPort: number,
  dataDirectory: string,
  settings: Readonly<Record<string, string>>,
): string {
  const properties: Record<string, string> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": dataDirectory,
    "num.network.threads": "1",
    "num.io.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    // A broker that was killed is let in again this quickly.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.cleaner.backoff.ms": "500",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "3000",
  };
  for (const internal of ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"]) {
    properties[`${internal}.num.partitions`] = "1";
    properties[`${internal}.replication.factor`] = "1";
    if (internal !== "offsets.topic") properties[`${internal}.min.isr`] = "1";
  }
  return Object.entries({ ...properties, ...settings }).map(([name, value]) => `${name}=${value}\n`).join("");
}

/** `log4j2.properties`: everything into one file, which tests read. */
export const LOGGING = `status=warn
appender.file.type=File
appender.file.name=FILE
appender.file.fileName=\${sys:bimiplog.logfile}
appender.file.append=true
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n%throwable
rootLogger.level=info
rootLogger.appenderRef.file.ref=FILE
`;

/** The same for the tools: what they complain about goes to stderr. */
export const TOOL_LOGGING = `status=error
appender.console.type=Console
appender.console.name=STDERR
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=STDERR
`;
