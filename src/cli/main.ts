#!/usr/bin/env node
import { runCommandLine } from "./program.js";

// Addresses may hold passwords, and other users see command lines: the command's name is all that they are shown.
const [command = ""] = process.argv.slice(2);
process.title = /^[a-z]+$/.test(command) ? `thinkback ${command}` : "thinkback";

// A reader that has seen enough, such as head, closes the pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const status = await runCommandLine(process.argv.slice(2));
// At once: a connection that failed may have left timers behind.
if (status !== 0) process.exit(status);
