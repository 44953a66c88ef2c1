/** How a letter comes to a receiver by each channel, and what is told when it does not. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Channel } from "../../src/alarms/channel.js";
import { commandChannel } from "../../src/alarms/command-channel.js";
import { slack, webhook } from "../../src/alarms/http-channel.js";
import { letterOf } from "../../src/alarms/letter.js";
import { channelsOf } from "../../src/cli/alarm-arguments.js";
import { Receiver } from "../endtoend/alarm-receiver.js";

const notice = {
  id: "store-away-1a2b3c4d-raised",
  type: "raised" as const,
  at: Date.parse("2026-11-28T08:31:45Z"),
  text: "the store takes no ticks",
  alarm: { id: "store-away-1a2b3c4d", kind: "store-away", of: "", since: 0 },
  to: ["webhook"],
};
const letter = letterOf(notice, "a-repository");

let server: Server;
let directory: string;
let url: string;
const got: { request: IncomingMessage; body: string }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-channels-"));
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      got.push({ request, body });
      const [, status = "200"] = /\/(\d{3})\//.exec(request.url!) ?? [];
      const to = status.startsWith("3") ? { location: "http://127.0.0.1:1/elsewhere" } : {};
      response.writeHead(Number(status), to).end("thanks");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true });
});

const given = (channel: Channel) => channel.deliver(letter, AbortSignal.timeout(10_000));

describe("a webhook", () => {
  test("gets the letter as JSON, and its id to tell one that comes twice", async () => {
    await given(webhook(`${url}/200/secret`));
    const { request, body } = got.at(-1)!;
    expect(request.headers).toMatchObject({
      "content-type": "application/json",
      "idempotency-key": notice.id,
    });
    expect(JSON.parse(body)).toEqual({
      id: notice.id,
      type: "raised",
      at: "2026-11-28T08:31:45.000+00:00",
      repository: "a-repository",
      text: "the store takes no ticks",
      alarm: {
        id: "store-away-1a2b3c4d",
        kind: "store-away",
        of: "",
        severity: "critical",
        since: "1970-01-01T00:00:00.000+00:00",
        hint: expect.stringContaining("store") as string,
        docs: "docs/alarms.md#store-away",
      },
    });
  });

  test.each(["500", "404", "302"])(
    "that answers %s has not taken it; its way is not told",
    async (status) => {
      const failing = given(webhook(`${url}/${status}/secret`));
      await expect(failing).rejects.toThrow(new RegExp(`^127.0.0.1:\\d+ answers ${status}$`));
    },
  );

  test("that is not there is told by its host alone", async () => {
    const receiver = await Receiver.open();
    const failing = given(webhook(`${receiver.url}/secret`));
    await expect(failing).rejects.toThrow(
      `127.0.0.1:${receiver.port} cannot be reached: ECONNREFUSED`,
    );
  });
});

test("Slack gets a text for people", async () => {
  await given(slack(`${url}/200/secret`));
  const { text } = JSON.parse(got.at(-1)!.body) as { text: string };
  expect(text).toMatch(/^Thinkback, critical: store-away: the store takes no ticks\n→ bring /);
  const ended = letterOf({ ...notice, type: "ended", text: "ended after 5 min" }, "r");
  await slack(`${url}/200/x`).deliver(ended, AbortSignal.timeout(10_000));
  expect(got.at(-1)!.body).toContain("Thinkback: store-away ended after 5 min");
});

describe("a command", () => {
  test("gets the letter on its standard input, and none of our variables", async () => {
    const file = join(directory, "letter");
    process.env["THINKBACK_SOURCE_PASSWORD"] = "hunter2";
    await given(commandChannel(`cat > ${file}; env > ${file}.env`));
    delete process.env["THINKBACK_SOURCE_PASSWORD"];
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(letter);
    const environment = await readFile(`${file}.env`, "utf8");
    expect(environment).toContain("PATH=");
    expect(environment).not.toContain("hunter2");
  });

  test("that fails has not taken it, and says why; one that reads nothing may succeed", async () => {
    const failing = given(commandChannel("echo no pager >&2; exit 3"));
    await expect(failing).rejects.toThrow("the command ended with 3: no pager");
    await given(commandChannel("true"));
  });

  test("that does not end is ended with all that it has begun", async () => {
    const file = join(directory, "late");
    const slow = commandChannel(`(sleep 3; touch ${file}) & wait`);
    const over = AbortSignal.timeout(300);
    await expect(slow.deliver(letter, over)).rejects.toThrow("the command did not end in time");
    await new Promise((resolve) => setTimeout(resolve, 3200));
    await expect(readFile(file)).rejects.toThrow("ENOENT");
  });
});

test.each(["x", "ftp://host/x", "http://user:secret@host/", "https://:secret@host/"])(
  "the address %s is refused, and not repeated",
  (alarmWebhook) => {
    const give = () => channelsOf({ alarmWebhook });
    expect(give).toThrow(/--alarm-webhook gives (has a user or a password|is not an http)/);
    expect(give).not.toThrow(/secret/);
  },
);
