/** Makes a process take itself for one of another machine: it cannot know whether a process of this one still runs. */
const lookOf = (name: string) => `
import fs from "node:fs";
import os from "node:os";
import { syncBuiltinESMExports } from "node:module";
const { readlinkSync } = fs;
fs.readlinkSync = (path, ...more) =>
  path === "/proc/self/ns/pid" ? "pid:[${name}]" : readlinkSync(path, ...more);
os.hostname = () => "${name}";
syncBuiltinESMExports();
`;

/** The environment of a process that seems to run on the machine of this name. */
export const machineNamed = (name: string) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(lookOf(name))}`,
});

export const otherMachine = machineNamed("another");
