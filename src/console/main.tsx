/** The console: begins the page. */
import "./style.css";
import { Component, type ComponentChildren, render } from "preact";
import { begin as beginLive } from "./app/live.js";
import { usePlace } from "./app/router.js";
import { begin as beginSession, signedIn } from "./app/session.js";
import { Shell } from "./app/shell.js";
import { useShared } from "./app/store.js";
import { apply } from "./app/theme.js";
import { Compare } from "./pages/compare.js";
import { DocumentPage } from "./pages/document.js";
import { Happened } from "./pages/happened.js";
import { Operations } from "./pages/operations.js";
import { Overview } from "./pages/overview.js";
import { Recover } from "./pages/recover.js";
import { Recoveries } from "./pages/recoveries.js";
import { RecoveryPage } from "./pages/recovery.js";
import { SignIn } from "./pages/sign-in.js";
import { TablePage } from "./pages/table.js";
import { Tables } from "./pages/tables.js";
import { Title } from "./parts/bits.js";

function Page() {
  const { path } = usePlace();
  const [first, second, third] = path;
  switch (first) {
    case undefined:
      return <Overview />;
    case "happened":
      return <Happened />;
    case "compare":
      return <Compare />;
    case "tables":
      if (second === undefined) return <Tables />;
      return third === "document" ? <DocumentPage table={second} /> : <TablePage table={second} />;
    case "recover":
      return <Recover />;
    case "recoveries":
      return second === undefined ? <Recoveries /> : <RecoveryPage id={second} />;
    case "operations":
      return <Operations section={second} />;
    default:
      return <Title>There is no such page</Title>;
  }
}

/** What a page could not show, instead of nothing at all. */
class Guard extends Component<{ children: ComponentChildren }, { wrong?: Error }> {
  override state: { wrong?: Error } = {};

  static override getDerivedStateFromError(wrong: Error) {
    return { wrong };
  }

  override render() {
    const { wrong } = this.state;
    if (!wrong) return this.props.children;
    // What the page remembers may be of an older console.
    const anew = () => {
      history.replaceState({}, "", location.pathname);
      location.reload();
    };
    return (
      <div class="card" role="alert">
        <h1>This page cannot be shown</h1>
        <p>{wrong.message}</p>
        <button type="button" onClick={anew}>
          Begin it anew
        </button>{" "}
        <a href="/">Overview</a>
      </div>
    );
  }
}

function Console() {
  const who = useShared(signedIn);
  if (who.state === "asking") return null;
  if (who.state === "out") return <SignIn />;
  return (
    <>
      <div inert={who.state === "expired"}>
        <Shell>
          <Guard>
            <Page />
          </Guard>
        </Shell>
      </div>
      {who.state === "expired" && (
        <div class="over" role="dialog" aria-modal="true" aria-label="Sign in again">
          <SignIn expired={who.name} />
        </div>
      )}
    </>
  );
}

apply();
void beginSession();
beginLive();
render(<Console />, document.getElementById("console")!);
