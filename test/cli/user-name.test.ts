/** How whoever runs this program is called. */
import { userInfo } from "node:os";
import { expect, test, vi } from "vitest";
import { userName } from "../../src/cli/user-name.js";

vi.mock("node:os", async (original) => {
  const os = await original<typeof import("node:os")>();
  return { ...os, userInfo: vi.fn(os.userInfo) };
});

test("a user is called by the name that this machine knows", () => {
  expect(userName()).toBe(userInfo().username);
});

test("a user that has no name, as in a container, is called by the number", () => {
  vi.mocked(userInfo).mockImplementationOnce(() => {
    throw new Error("uv_os_get_passwd returned ENOENT (no such file or directory)");
  });
  expect(userName()).toBe(`user ${process.getuid!()}`);
});
