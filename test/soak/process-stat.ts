/** What Linux tells of a process, in /proc. */
import { readdir, readFile } from "node:fs/promises";

/** Of a second, as /proc counts them: fixed in the kernel's interface. */
const ticksPerSecond = 100;

export interface ProcessStat {
  /** Resident memory now and at its peak, bytes. */
  rss: number;
  peakRss: number;
  /** Open files and sockets. */
  handles: number;
  /** Seconds of CPU of the process, and of its children that have ended. */
  cpuSeconds: number;
  childCpuSeconds: number;
  /** Resident memory of its living children together, bytes. */
  childRss: number;
}

export async function readProcess(pid: number): Promise<ProcessStat> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [user, system, childUser, childSystem] = (await cpuTicks(pid)) as [
    number,
    number,
    number,
    number,
  ];
  return {
    rss: kibOf(status, "VmRSS") * 1024,
    peakRss: kibOf(status, "VmHWM") * 1024,
    handles: (await readdir(`/proc/${pid}/fd`)).length,
    cpuSeconds: (user + system) / ticksPerSecond,
    childCpuSeconds: (childUser + childSystem) / ticksPerSecond,
    childRss: await childRss(pid),
  };
}

async function cpuTicks(pid: number): Promise<number[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name of the program stands in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).map(Number);
}

async function childRss(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
  let sum = 0;
  for (const child of children === "" ? [] : children.split(" ")) {
    // It may have ended meanwhile.
    const status = await readFile(`/proc/${child}/status`, "utf8").catch(() => "");
    sum += kibOf(status, "VmRSS") * 1024;
  }
  return sum;
}

function kibOf(status: string, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0);
}
