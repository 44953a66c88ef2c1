/** Signing in with a token: in place of everything, or over a page whose token has ended. */
import { useEffect, useRef, useState } from "preact/hooks";
import { shareToken, signIn } from "../app/session.js";

export function SignIn({ expired }: { expired?: string | undefined }) {
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState("");
  const [isAsking, setAsking] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setAsking(true);
    setWrong("");
    try {
      await signIn(token.trim());
      shareToken(token.trim());
    } catch (error) {
      setWrong((error as Error).message);
      input.current?.select();
    } finally {
      setAsking(false);
    }
  };
  return (
    <form class="sign-in card" onSubmit={(event) => void submit(event)}>
      <h1>{expired === undefined ? "Thinkback" : "Sign in again"}</h1>
      {expired !== undefined && (
        <p>The token of {expired} has ended. What you were doing is still here.</p>
      )}
      <label for="token">Token</label>
      <input
        id="token"
        ref={input}
        type="password"
        value={token}
        autocomplete="off"
        spellcheck={false}
        required
        aria-describedby="token-said"
        aria-invalid={wrong !== ""}
        onInput={({ currentTarget }) => setToken(currentTarget.value)}
      />
      <div id="token-said" class="said wrong" role="alert">
        {wrong}
      </div>
      <button class="main" type="submit" disabled={isAsking}>
        Sign in
      </button>
      <p class="note">
        The command line makes one: <code>thinkback token create NAME --role operator</code>. This
        browser forgets it when its last tab of the console is closed.
      </p>
    </form>
  );
}
