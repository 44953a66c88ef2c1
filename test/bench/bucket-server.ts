/** The fake S3 server in a process of its own, so that it shares no thread with what is measured. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { FakeS3 } from "../storage/fake-s3.js";

export interface BucketServer {
  /** A place in its bucket. */
  location: string;
  /** From now on each request takes so much longer. */
  delay(ms: number): Promise<void>;
  stop(): void;
}

interface Delay {
  delayMs: number;
}

export async function startBucketServer(): Promise<BucketServer> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ["--import", "tsx"] });
  const answer = () => new Promise<string>((done) => child.once("message", done as () => void));
  return {
    location: await answer(),
    delay: async (delayMs) => {
      child.send({ delayMs } satisfies Delay);
      await answer();
    },
    stop: () => void child.kill(),
  };
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await FakeS3.start({ pageObjects: 1000 });
  process.on("message", ({ delayMs }: Delay) => {
    server.faults.delayMs = delayMs;
    process.send!("done");
  });
  process.send(server.at("bench", "&pathStyle=true"));
}
