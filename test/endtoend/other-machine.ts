/** Makes a process take itself for one of another machine: it cannot know whether a process of this one still runs. */
const lookOfAnother = `
import fs from "node:fs";
import os from "node:os";
import { syncBuiltinESMExports } from "node:module";
const { readlinkSync } = fs;
fs.readlinkSync = (path, ...more) =>
  path === "/proc/self/ns/pid" ? "pid:[another]" : readlinkSync(path, ...more);
os.hostname = () => "another";
syncBuiltinESMExports();
`;

export const otherMachine = {
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(lookOfAnother)}`,
};
