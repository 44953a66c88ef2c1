import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import { startSimulated, type TestServer } from "../server/find-server.js";

let simulated: TestServer;
let directory: string;
const listening: Server[] = [];
beforeAll(async () => {
  simulated = await startSimulated();
  directory = await mkdtemp(join(tmpdir(), "thinkback-tls-"));
});
afterEach(() => {
  for (const server of listening.splice(0)) server.close();
});
afterAll(async () => {
  await simulated.stop();
  await rm(directory, { recursive: true });
});

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function listen(server: Server): Promise<number> {
  listening.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return portOf(server);
}

/** Paths of a new key and of a certificate for this machine that it signs itself. */
async function makeCertificate(): Promise<{ key: string; certificate: string }> {
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" ");
  const identity = ["-subj", "/CN=localhost", "-addext", names];
  const output = ["-keyout", key, "-out", certificate];
  await promisify(execFile)("openssl", [...request, ...identity, ...output]);
  return { key, certificate };
}

/** What the address leads to: a query over a dialed connection. */
async function ask(address: string, clock = systemClock): Promise<unknown> {
  const connection = new Connection(await dialer(parseAddress(address), "source", clock)());
  try {
    return await connection.value(r.expr([1, "é".repeat(100_000)]));
  } finally {
    connection.close();
  }
}
const asked = [1, "é".repeat(100_000)];

describe("a channel", () => {
  test("carries a query and an answer of many reads", async () => {
    expect(await ask(`rethinkdb://127.0.0.1:${simulated.port}`)).toEqual(asked);
  });

  test("carries them over TLS, to a server whose certificate is trusted", async () => {
    const { key, certificate } = await makeCertificate();
    const options = { cert: await readFile(certificate), key: await readFile(key) };
    const port = await listen(
      createTlsServer(options, (socket) => {
        const inner = connect(simulated.port, "127.0.0.1");
        socket.pipe(inner).pipe(socket);
        for (const end of [socket, inner]) end.on("error", () => end.destroy());
      }),
    );
    expect(await ask(`rethinkdb://127.0.0.1:${port}?ca=${certificate}`)).toEqual(asked);
    expect(await ask(`rethinkdb://localhost:${port}?ca=${certificate}`)).toEqual(asked);
    await expect(ask(`rethinkdb://127.0.0.1:${port}?tls=true`)).rejects.toMatchObject({
      code: "source",
      message: expect.stringMatching(/cannot connect to .*self-signed certificate$/),
      hint: expect.stringContaining("certificate with ca=FILE"),
    });
    await expect(ask(`rethinkdb://127.0.0.1:${port}?ca=/none.pem`)).rejects.toMatchObject({
      hint: "check the file that ca= names, and that this user may read it",
    });
    await expect(ask(`rethinkdb://127.0.0.1:${port}`)).rejects.toMatchObject({
      hint: expect.stringContaining("?tls=true"),
    });
    await expect(ask(`rethinkdb://127.0.0.1:${simulated.port}?tls=true`)).rejects.toMatchObject({
      message: expect.stringMatching(/^[^\n]*$/),
      hint: expect.stringContaining("speaks TLS"),
    });
  });

  test("is refused with a wrong password, which the error does not hold", async () => {
    const refused = ask(`rethinkdb://admin:secret@127.0.0.1:${simulated.port}`);
    await expect(refused).rejects.toMatchObject({
      code: "source",
      message: expect.stringMatching(/refused the user or password: Wrong password$/),
    });
    await expect(refused).rejects.not.toThrow("secret");
  });

  test("is not made to what is no RethinkDB, closes, or is not there", async () => {
    const answering = (answer: (socket: Socket) => void) =>
      listen(
        createServer((socket) => {
          socket.on("error", () => undefined);
          answer(socket);
        }),
      );
    const fails = async (port: number) => expect(ask(`rethinkdb://127.0.0.1:${port}`)).rejects;
    const page = await answering((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n\0"));
    await (await fails(page)).toThrow(/not RethinkDB.*HTTP/);
    const chatty = await answering((socket) => socket.write("x".repeat(100_000)));
    await (await fails(chatty)).toThrow("does not speak as RethinkDB");
    const closing = await answering((socket) => socket.destroy());
    await (await fails(closing)).toThrow(
      /cannot connect to .*: (the server closed|.*ECONNRESET|.*EPIPE)/,
    );
    const silent = await answering(() => undefined);
    const hasty = { ...systemClock, sleep: () => Promise.resolve() };
    const unanswered = ask(`rethinkdb://127.0.0.1:${silent}`, hasty);
    await expect(unanswered).rejects.toThrow("it does not answer");
    const gone = createServer();
    const port = await listen(gone);
    await new Promise((resolve) => gone.close(resolve));
    await (await fails(port)).toThrow(/cannot connect to .*ECONNREFUSED/);
    await expect(ask(`rethinkdb://localhost:${port}`)).rejects.toThrow("ECONNREFUSED");
  });
});
