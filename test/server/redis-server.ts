/** A real Redis for a test, on a port and in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export class RedisServer {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly args: readonly string[],
  ) {}

  /** Starts one that is fit for members. @param args more arguments, which count before those that it has */
  static async start(...args: string[]): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-redis-"));
    const server = new RedisServer(await freePort(), directory, args);
    await server.restart();
    return server;
  }

  get address(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    await this.kill();
    const own = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.directory];
    const fit = ["--save", "", "--maxmemory-policy", "noeviction"];
    this.process = spawn("redis-server", [...own, ...fit, ...this.args], { stdio: "ignore" });
    await once(this.process, "spawn");
    for (let again = 0; ; again += 1) {
      try {
        await this.ask((redis) => redis.ping());
        return;
      } catch (error) {
        if (again === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async kill(): Promise<void> {
    const running = this.process;
    this.process = undefined;
    if (!running || running.exitCode !== null) return;
    running.kill("SIGKILL");
    await once(running, "exit");
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.process!.kill(signal);
  }

  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.port, "127.0.0.1", {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
    });
    redis.on("error", () => undefined);
    try {
      await redis.connect();
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** Writes down what it holds now. */
  async save(): Promise<void> {
    await this.ask((redis) => redis.save());
    await copyFile(join(this.directory, "dump.rdb"), join(this.directory, "saved.rdb"));
  }

  /** Kills it, and starts it with what was written down. */
  async goBack(): Promise<void> {
    await this.kill();
    await copyFile(join(this.directory, "saved.rdb"), join(this.directory, "dump.rdb"));
    await this.restart();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  listener.close();
  await once(listener, "close");
  return port;
}
