import { pino } from "pino";
import pretty from "pino-pretty";

export type Log = ReturnType<typeof openLog>;

/** Structured logs on stderr: pretty on a terminal, JSON otherwise. Times in UTC with offset. */
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
