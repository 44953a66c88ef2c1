/** `npx tsx test/console/serve.ts`: the console with the data of its tests, until Ctrl-C. */
import { openWorld } from "./world.js";

const world = await openWorld();
console.log(`the console is at ${world.base}/`);
for (const [role, token] of Object.entries(world.tokens)) console.log(`${role}: ${token}`);
console.log(`--repo ${world.repo} --target ${world.stage.address}`);
console.log(
  `before the deploy: ${world.beforeDeploy}; before the deletion: ${world.beforeDeletion}`,
);
const timer = setInterval(() => undefined, 60_000);
process.once("SIGINT", () => {
  clearInterval(timer);
  void world.close();
});
process.once("SIGTERM", () => {
  clearInterval(timer);
  void world.close();
});
