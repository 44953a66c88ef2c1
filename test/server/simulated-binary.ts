/**
 * The simulated server as a program called `rethinkdb`, for tests of what starts one where there is no real one. It
 * knows the options that Thinkback gives.
 */
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Cluster } from "../simulated/cluster.js";
import { TcpListener } from "../simulated/tcp-listener.js";
import { r } from "./driver.js";
import { findBinary } from "./real-server.js";

const here = fileURLToPath(import.meta.url);
const tsx = import.meta.resolve("tsx");

/**
 * A PATH on which there is a `rethinkdb`: the real one where there is one, else this, put into `directory`.
 * THINKBACK_TEST_SERVER=simulated forces this.
 */
export async function pathWithServer(directory: string): Promise<string> {
  const path = process.env["PATH"] ?? "";
  const forced = process.env["THINKBACK_TEST_SERVER"] === "simulated";
  if (!forced && (await findBinary()) !== undefined) return path;
  const program = join(directory, "rethinkdb");
  // The loader keeps a cache, which is not the program's.
  const script = `export TMPDIR="${directory}"\nexec "${process.execPath}" --import "${tsx}" "${here}" "$@"`;
  await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${directory}:${path}`;
}

/** The PATH without the directories that have a `rethinkdb`. */
export async function pathWithoutServer(): Promise<string> {
  const directories = (process.env["PATH"] ?? "").split(":");
  const has = (directory: string) =>
    access(join(directory, "rethinkdb")).then(
      () => true,
      () => false,
    );
  const found = await Promise.all(directories.map(has));
  return directories.filter((_, i) => !found[i]).join(":");
}

async function serve(args: string[]): Promise<void> {
  const option = (name: string) => args[args.indexOf(name) + 1]!;
  const config = await readFile(option("--config-file"), "utf8");
  const password = /^initial-password=(.*)$/m.exec(config)?.[1];
  const port = Number(option("--driver-port"));
  // As the real one does.
  await mkdir(option("--directory"), { recursive: true });
  await TcpListener.listen(new Cluster(), port);
  const connection = await r.connect({ host: "127.0.0.1", port });
  await r.db("rethinkdb").table("users").get("admin").update({ password }).run(connection);
  await connection.close();
}

if (process.argv[1] === here) {
  const args = process.argv.slice(2);
  if (args.includes("--version")) console.log(`rethinkdb 2.4.4 (simulated, ${dirname(here)})`);
  else await serve(args);
}
