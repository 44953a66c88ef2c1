import { defineConfig } from "vite";

/** Builds the console into the package. Everything it needs is in it: a page of it asks nobody but its own server. */
export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  build: {
    outDir: "../../dist/console",
    emptyOutDir: true,
    // A data: URL would need a wider content security policy.
    assetsInlineLimit: 0,
    target: "es2022",
    // The loader of older browsers would run a script in the page.
    modulePreload: { polyfill: false },
  },
});
