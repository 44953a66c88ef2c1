import { describe, expect, test } from "vitest";
import { HandshakeRefused, type Messages, shakeHands } from "../../src/rethinkdb/handshake.js";

/** A server that answers with these messages, whatever it is sent. */
class Script implements Messages {
  readonly sent: string[] = [];

  constructor(private readonly answers: string[]) {}

  send(bytes: Buffer): void {
    this.sent.push(bytes.toString("latin1"));
  }

  next(): Promise<string> {
    const answer = this.answers.shift();
    return answer === undefined ? Promise.reject(new Error("gone")) : Promise.resolve(answer);
  }
}

/** The example of RFC 7677, section 3. */
const user = { user: "user", password: "pencil" };
const nonce = "rOprNGfwEbeRWgbNEkqO";
const versions = '{"success":true,"min_protocol_version":0,"max_protocol_version":0}';
const first = `r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const last = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const of = (authentication: string) => JSON.stringify({ success: true, authentication });

describe("shakeHands", () => {
  test("proves the password as RFC 7677 has it, and takes the server's proof", async () => {
    const script = new Script([versions, of(first), of(last)]);
    await shakeHands(script, user, nonce);
    expect(script.sent).toEqual([
      "\xc3\xbd\xc2\x34",
      `${JSON.stringify({
        protocol_version: 0,
        authentication_method: "SCRAM-SHA-256",
        authentication: `n,,n=user,r=${nonce}`,
      })}\0`,
      `${JSON.stringify({
        authentication: `c=biws,r=${nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
      })}\0`,
    ]);
  });

  test("writes a comma and an equals sign in a name as RFC 5802 has it", async () => {
    const script = new Script([versions, of("")]);
    await expect(shakeHands(script, { ...user, user: "a=b,c=2C" }, nonce)).rejects.toThrow();
    expect(script.sent[1]).toContain(`"n,,n=a=3Db=2Cc=3D2C,r=${nonce}"`);
  });

  test.each([
    ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "of another password"],
    ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9", "cut short"],
    ["", "none"],
  ])("does not believe a server whose proof is %s (%s)", async (proof) => {
    const script = new Script([versions, of(first), of(proof)]);
    await expect(shakeHands(script, user, nonce)).rejects.toThrow("did not prove");
  });

  test.each([
    first.replace("rOpr", "other"),
    first.replace("4096", "0"),
    first.replace("4096", "many"),
    first.replace("4096", "4000000000"),
    first.replace(/,s=[^,]*/, ""),
    "",
  ])("sends no proof to a server that answers %j", async (answer) => {
    const script = new Script([versions, of(answer)]);
    await expect(shakeHands(script, user, nonce)).rejects.toThrow("not valid");
    expect(script.sent).toHaveLength(2);
  });

  test.each([
    [12, true],
    [17, true],
    [10, true],
    [20, true],
    [2, false],
    [undefined, false],
  ])("an error of code %s is of authentication: %s", async (code, isAuthentication) => {
    const refusal = JSON.stringify({ success: false, error: "Wrong password", error_code: code });
    const refused = shakeHands(new Script([versions, of(first), refusal]), user, nonce);
    await expect(refused).rejects.toBeInstanceOf(HandshakeRefused);
    await expect(refused).rejects.toMatchObject({ message: "Wrong password", isAuthentication });
  });

  test.each(["ERROR: Received an unsupported protocol version.\n", "", "[]", "null", "7"])(
    "what greets with %j is no RethinkDB",
    async (greeting) => {
      const refused = shakeHands(new Script([greeting]), user, nonce);
      await expect(refused).rejects.toThrow(/not RethinkDB|no reason/);
    },
  );
});
