/** What is held to a share of its branches. */
export const COVERED: readonly string[] = [
  "src/batch",
  "src/anchor",
  "src/index",
  "src/segment",
  "src/recovery",
  "src/shard",
];

/** The tests that speak of it, as parts of their paths. */
export const COVERING: readonly string[] = [
  ...["batch", "anchor", "index", "segment", "recovery", "shard", "producer", "log", "read", "fuzz"],
  ...["conditional", "idempotence", "retention", "backup", "users/user_tables"],
  ...["exhaustive/every_operation", "faults/taken_over", "simulation/crash"],
].map((part) => `test/${part}`);
