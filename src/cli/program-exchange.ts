import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that write what other programs read, and read what they write. */
export function exchanging(program: Command, output: () => Output): void {
  program
    .command("export")
    .description("write tables as they were at an instant: as a dump, lines of JSON, or CSV")
    .action(async (args) => (await import("./export.js")).exportCommand(args, output()));

  program
    .command("import")
    .description("turn an archive of `rethinkdb dump` into a repository of its own")
    .argument("<archive>", "a file, such as rethinkdb_dump_2024-05-06T07:08:09.tar.gz")
    .action(async (archive, args) =>
      (await import("./import.js")).importCommand(archive, args, output()),
    );
}
