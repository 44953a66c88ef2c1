#!/usr/bin/env node
import { runCommandLine } from "./program.js";
import { watchStandardOutput } from "./standard-output.js";
import { heedParent } from "./tell-progress.js";

// Addresses may hold passwords, and other users see command lines: so the process shows only the command's name.
const args = process.argv.slice(2);
const command = args.find((arg) => !arg.startsWith("-")) ?? "";
process.title = /^[a-z]+$/.test(command) ? `thinkback ${command}` : "thinkback";

watchStandardOutput(command, args.includes("--json"), process);

const endHeeding = heedParent();
const status = await runCommandLine(args);
endHeeding();
// Exit at once: a connection that failed may have left timers behind.
if (status !== 0) process.exit(status);
