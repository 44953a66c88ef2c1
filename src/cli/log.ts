import { pino } from "pino";
import pretty from "pino-pretty";

export type Log = ReturnType<typeof openLog>;

/** Opens the structured log on stderr: text on a terminal, JSON lines otherwise. Times are in UTC with their offset. */
export function openLog(level: string) {
  const timestamp = () => `,"time":"${new Date().toISOString().slice(0, -1)}+00:00"`;
  const options = { level, base: null, timestamp };
  if (process.stderr.isTTY) {
    return pino(
      options,
      pretty({ destination: 2, ignore: "pid,hostname", sync: true, translateTime: false }),
    );
  }
  return pino(options, pino.destination({ fd: 2, sync: true }));
}
