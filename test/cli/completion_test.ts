/** `bimiplog completion`: the scripts do in their shells what they should. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { run } from "./program.ts";

function has(shell: string): boolean {
  return spawnSync(shell, ["-c", "exit 0"]).status === 0;
}

/** What bash offers behind these words. */
function complete(script: string, ...words: readonly string[]): string[] {
  const line = words.map((word) => `'${word}'`).join(" ");
  const ask = `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${
    words.length - 1
  }; _bimiplog; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["--norc", "-c", ask], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout.split("\n").filter((word) => word !== "");
}

describe("completion", () => {
  it("in bash offers commands, options of a command, and values of an option", {
    skip: has("bash") ? false : "bash is not installed",
  }, async () => {
    const { stdout: script, code } = await run(["completion", "bash"]);
    assert.equal(code, 0);
    const { stdout } = spawnSync("bash", ["--norc", "-c", `${script}\ncomplete -p bimiplog`], { encoding: "utf8" });
    assert.match(stdout, /-F _bimiplog bimiplog/);
    const commands = complete(script, "bimiplog", "");
    assert.ok(["append", "read", "backup", "top", "completion", "--help"].every((word) => commands.includes(word)));
    assert.ok(!commands.some((word) => word.includes("rounds")), "nothing that is for the program itself");
    assert.deepEqual(complete(script, "bimiplog", "ba"), ["backup"]);
    assert.deepEqual(complete(script, "bimiplog", "append", "--"), [
      "--shards",
      "--durability",
      "--key-separator",
      "--acks",
      "--json",
      "--help",
    ]);
    assert.deepEqual(complete(script, "bimiplog", "append", "--durability", ""), ["os", "disk"]);
    assert.deepEqual(complete(script, "bimiplog", "append", "dir", "--durability", "d"), ["disk"]);
    assert.deepEqual(complete(script, "bimiplog", "bench", "--runtimes", "b"), ["bun"]);
    assert.deepEqual(complete(script, "bimiplog", "completion", ""), ["bash", "zsh", "fish"]);
    assert.deepEqual(complete(script, "bimiplog", "read", "da"), [], "directories are left to bash");
  });

  for (const shell of ["zsh", "fish"]) {
    it(
      `in ${shell} is a script without a mistake`,
      { skip: has(shell) ? false : `${shell} is not installed` },
      async () => {
        const { stdout } = await run(["completion", shell]);
        const { status, stderr } = spawnSync(shell, ["-n"], { input: stdout, encoding: "utf8" });
        assert.equal(status, 0, stderr);
      },
    );
  }

  it("names every command and option in the scripts for zsh and fish, too", async () => {
    const [zsh, fish] = await Promise.all(
      ["zsh", "fish"].map(async (shell) => (await run(["completion", shell])).stdout),
    );
    assert.match(zsh, /^#compdef bimiplog\n/);
    assert.match(zsh, /append\) _arguments .*'--durability:durability:\(os disk\)'/);
    assert.match(fish, /complete -c bimiplog -n '__fish_seen_subcommand_from append' -l durability -r -f -a 'os disk'/);
    assert.match(fish, /complete -c bimiplog -n __fish_use_subcommand -f -a backup -d 'copy a log/);
  });
});
