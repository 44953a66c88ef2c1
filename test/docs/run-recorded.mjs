/** Runs several commands in one process, whose operations are recorded. Each argument is a command line as JSON. */
import { runCommandLine } from "../../dist/cli/program.js";

for (const line of process.argv.slice(2)) {
  const args = JSON.parse(line);
  globalThis.recordedCommand = args;
  const status = await runCommandLine(args);
  if (status !== 0) process.exit(status);
}
