#!/usr/bin/env node
import { runCommandLine } from "./program.js";

// Addresses may hold passwords, and other users see command lines: so the process shows only the command's name.
const [command = ""] = process.argv.slice(2);
process.title = /^[a-z]+$/.test(command) ? `thinkback ${command}` : "thinkback";

// A program that reads the output, such as head, closes the pipe when it has enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const status = await runCommandLine(process.argv.slice(2));
// Exit at once: a connection that failed may have left timers behind.
if (status !== 0) process.exit(status);
