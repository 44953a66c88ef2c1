/** What stands around each page: where one can go, until when can be restored, and who has signed in. */
import type { ComponentChildren } from "preact";
import { isConnected, looks } from "./live.js";
import { Link, usePlace } from "./router.js";
import { signedIn, signOut } from "./session.js";
import { useShared } from "./store.js";
import { setTheme, theme } from "./theme.js";
import { Moment } from "./time.js";

const places = [
  { to: "/", name: "Overview" },
  { to: "/happened", name: "What happened?" },
  { to: "/compare", name: "Live beside then" },
  { to: "/tables", name: "Tables" },
  { to: "/recoveries", name: "Recoveries" },
  { to: "/operations", name: "Operations" },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const { path } = usePlace();
  const under = `/${path[0] ?? ""}`;
  const isHere = (to: string) => to === under || (to === "/recoveries" && under === "/recover");
  return (
    <>
      <a class="skip" href="#page">
        Skip to the page
      </a>
      <div class="shell">
        <nav aria-label="Pages">
          <div class="brand">Thinkback</div>
          <ul>
            {places.map(({ to, name }) => (
              <li key={to}>
                <Link to={to} aria-current={isHere(to) ? "page" : undefined}>
                  {name}
                </Link>
              </li>
            ))}
          </ul>
          <Who />
        </nav>
        <div class="beside-nav">
          <Standing />
          <main id="page" tabIndex={-1}>
            {children}
          </main>
        </div>
      </div>
    </>
  );
}

/** What is true now, above every page. */
function Standing() {
  const look = useShared(looks);
  const connected = useShared(isConnected);
  const status = look?.status;
  return (
    <div class="standing" role="status" aria-live="off">
      {!connected && <span class="badge bad">The server does not answer</span>}
      {connected && look && !status && <span class="badge bad">The repository cannot be read</span>}
      {status?.restorableUntil === null && <span>Not restorable yet</span>}
      {status?.restorableUntil && (
        <span>
          Restorable until <Moment at={status.restorableUntil} />
        </span>
      )}
      {look?.openAlarms ? (
        <Link to="/operations/alarms" class="badge bad">
          {look.openAlarms} {look.openAlarms === 1 ? "alarm" : "alarms"}
        </Link>
      ) : null}
    </div>
  );
}

function Who() {
  const who = useShared(signedIn);
  const chosen = useShared(theme);
  if (who.state !== "in") return null;
  const { name, role } = who.session;
  return (
    <div class="who">
      <div>
        {name} <span class="note">{role}</span>
      </div>
      <label>
        <span class="hidden">Theme</span>
        <select
          value={chosen}
          onChange={({ currentTarget }) => setTheme(currentTarget.value as typeof chosen)}
        >
          <option value="system">as the system</option>
          <option value="light">light</option>
          <option value="dark">dark</option>
        </select>
      </label>
      <button type="button" onClick={signOut}>
        Sign out
      </button>
    </div>
  );
}
