/**
 * The version, as `package.json` and `deno.json` have it: neither is there wherever this program runs.
 *
 * @module
 */

export const VERSION = "0.1.0";
