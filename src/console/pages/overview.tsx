/** What can be restored, how it is proven, and what is wrong. */
import type { Status } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Moment } from "../app/time.js";
import { Figure, Shown, Title } from "../parts/bits.js";

export function Overview() {
  const asked = useAsked<Status>("/v1/status", { topic: "tables" });
  return (
    <>
      <Title>Overview</Title>
      <Shown asked={asked}>
        {(status) => (
          <div class="figures">
            <Figure name="restorable until">
              <Moment at={status.restorableUntil} short />
            </Figure>
            <Figure name="last proven" tone={status.lastProven ? "plain" : "unknown"}>
              {status.lastProven ? <Moment at={status.lastProven.done} short /> : "never"}
            </Figure>
          </div>
        )}
      </Shown>
    </>
  );
}
