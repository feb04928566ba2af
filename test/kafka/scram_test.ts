/** A password that is proved and not sent: the example of RFC 7677, and servers that are none. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ScramClient } from "../../src/kafka/wire/scram.ts";

const NONCE = "rOprNGfwEbeRWgbNEkqO";
const CHALLENGE = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

describe("SCRAM", () => {
  it("proves the password as the RFC has it, and wants the same of the broker", async () => {
    const client = new ScramClient("sha256", "user", "pencil", NONCE);
    assert.equal(client.first, `n,,n=user,r=${NONCE}`);
    assert.equal(
      await client.final(CHALLENGE),
      `c=biws,r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    );
    client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    for (const lie of ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "", "v=%%%", "v=6rri"]) {
      assert.throws(() => client.verify(lie), /does not prove/, lie);
    }
    assert.throws(() => client.verify("e=other-error"), /the broker says other-error/);
    assert.throws(() => new ScramClient("sha512", "user", "pencil").verify("v="), /does not prove/);
  });

  it("takes no answer to another attempt, none that is cheap to guess from and none that takes for ever", async () => {
    const client = new ScramClient("sha512", "a=b,c", "pencil", NONCE);
    assert.equal(client.first, `n,,n=a=3Db=2Cc,r=${NONCE}`);
    for (
      const [challenge, message] of [
        [CHALLENGE.replace("rOpr", "rOps"), /another attempt/],
        [`r=${NONCE},s=W22Z,i=4096`, /another attempt/],
        [CHALLENGE.replace("4096", "4095"), /wants 4095 iterations/],
        [CHALLENGE.replace("4096", "1e9"), /wants 1e9 iterations/],
        [CHALLENGE.replace("4096", "x"), /wants x iterations/],
        ["e=unknown-user", /is none/],
        ["", /is none/],
      ] as const
    ) await assert.rejects(client.final(challenge), { message });
    assert.notEqual(new ScramClient("sha256", "u", "p").first, new ScramClient("sha256", "u", "p").first);
  });
});
