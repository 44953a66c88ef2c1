import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { TestServer } from "./find-server.js";

const IMAGE = "rethinkdb:2.4.4";
const DRIVER_PORT = 28015;

/** Whether a Docker daemon answers here. */
export async function dockerDaemonAnswers(): Promise<boolean> {
  try {
    await promisify(execFile)("docker", ["version", "--format", "{{.Server.Version}}"], {
      timeout: 5000,
    });
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** A RethinkDB in a container of its own. */
export async function startContainer(): Promise<TestServer> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts(DRIVER_PORT)
    .withWaitStrategy(Wait.forLogMessage(/Server ready/))
    .start();
  const refuse = (what: string) =>
    Promise.reject(
      new Error(`${what} needs a server process of our own; this one runs in a container`),
    );
  return {
    kind: "docker",
    version: IMAGE.split(":")[1] ?? "",
    host: container.getHost(),
    port: container.getMappedPort(DRIVER_PORT),
    stop: async () => {
      await container.stop();
    },
    kill: () => refuse("kill"),
    restart: () => refuse("restart"),
  };
}
