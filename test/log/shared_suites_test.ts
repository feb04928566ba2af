/** What holds for a log in a Kafka cluster, too: on the embedded log. Those of producers and workers are beside the other tests of them. */
import { describe } from "node:test";
import { embedded } from "../kafka/embedded_place.ts";
import { sharedBackup } from "../kafka/shared_backup.ts";
import { sharedConsumers } from "../kafka/shared_consumers.ts";
import { sharedReading } from "../kafka/shared_reading.ts";
import { sharedSuite } from "../kafka/shared_suite.ts";

for (const suite of [sharedSuite, sharedReading, sharedConsumers, sharedBackup]) {
  describe(`${suite.name} on the embedded log`, () => suite(false, embedded));
}
