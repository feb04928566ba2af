/**
 * Metrics of a log for Prometheus, beside a program's own metrics of prom-client: both have the same text format, so one page has both.
 *
 * `node examples/prometheus.ts` serves them on http://localhost:9464/metrics.
 */
import { createServer, type Server } from "node:http";
import process from "node:process";
import { Counter, Registry } from "prom-client";
import { type Log, openLog } from "../mod.ts";

/** Serves the metrics of a registry and of a log. */
export function serveMetrics(log: Log, registry: Registry, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end();
    registry.metrics().then(
      (own) => {
        response.setHeader("Content-Type", registry.contentType);
        response.end(`${own.trimEnd()}\n${log.statsText()}`);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

/** The metric that the program counts itself. */
export function countOrders(registry: Registry): Counter {
  return new Counter({ name: "orders_total", help: "Orders taken.", registers: [registry] });
}

if (import.meta.main) {
  const registry = new Registry();
  const orders = countOrders(registry);
  const log = await openLog("./data/orders");
  const server = await serveMetrics(log, registry, 9464);
  console.log("http://localhost:9464/metrics");
  const timer = setInterval(() => {
    log.append({ value: "an order" }).then(() => orders.inc(), console.error);
  }, 100);
  process.once("SIGINT", () => {
    clearInterval(timer);
    server.close();
    log.close().catch(console.error);
  });
}
