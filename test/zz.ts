import { systemClock } from "../src/clock.js";
import { restore } from "../src/restore/restore.js";
import { parseAddress } from "../src/rethinkdb/address.js";
import { dialer } from "../src/rethinkdb/channel.js";
import { RethinkTarget } from "../src/rethinkdb/rethink-target.js";
import { orders } from "./bench/data.js";
import { generatedDatabase } from "./bench/generated.js";
import { repositoryOf } from "./bench/restore.js";
import { planRestore } from "./repository/looks.js";
import { startServer } from "./server/find-server.js";

const [docs, rounds] = process.argv.slice(2).map(Number);
const { repository } = await repositoryOf(orders(docs!).rows, []);
const server = await startServer();
for (let k = 0; k < rounds!; k++) {
  const target = new RethinkTarget(
    "t",
    dialer(parseAddress(`rethinkdb://${server.host}:${server.port}`), "target"),
  );
  const t0 = performance.now();
  const plan = await planRestore(repository, {
    tables: [],
    databases: [],
    renames: new Map(),
    allowInexact: false,
    nearest: false,
    withoutAccess: true,
  });
  const times: Record<string, number> = {};
  let first = 0;
  const cpu = process.cpuUsage();
  await restore(repository, plan, target, systemClock, {
    reading() {},
    writing() {
      first ||= performance.now() - t0;
    },
    finishing(_, step) {
      times[step] = performance.now() - t0;
    },
  });
  const end = performance.now() - t0;
  const u = process.cpuUsage(cpu);
  console.log(
    "first write",
    first.toFixed(0),
    JSON.stringify(times),
    "end",
    end.toFixed(0),
    "cpu",
    ((u.user + u.system) / 1e6).toFixed(2),
  );
  await target.dropDatabase(generatedDatabase);
  target.close();
}
await server.stop();
process.exit(0);
