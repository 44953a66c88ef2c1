import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands for what `run` serves. */
export function serving(program: Command, output: () => Output): void {
  program
    .command("console")
    .description("show a repository in a browser: what can be restored, and what has changed")
    .action(async (args) => (await import("./console.js")).consoleCommand(args, output()));
  const token = program
    .command("token")
    .description("make, list and revoke tokens of the HTTP API");
  token
    .command("create")
    .description("make a token, and print it once")
    .argument("<name>", "small letters, digits and hyphens")
    .action(async (name, args) =>
      (await import("./token.js")).createTokenCommand(name, args, output()),
    );
  token
    .command("list")
    .description("list the tokens, without their secrets")
    .action(async (args) => (await import("./token.js")).listTokensCommand(args, output()));
  token
    .command("revoke")
    .description("refuse a token from now on")
    .argument("<token>", "its name or its id")
    .action(async (sought, args) =>
      (await import("./token.js")).revokeTokenCommand(sought, args, output()),
    );
}
