import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HttpFunction } from "../http.ts";
import { anyone, fileIn, fileOf, http } from "../index.ts";
import { tryFunction } from "../testing.ts";
import { openapi } from "./openapi.ts";

const test = suite<{ root: string; show: HttpFunction; get(name: string, init?: RequestInit): Promise<Response> }>(
  "files as replies",
);

const letters = "abcdefghijklmnopqrstuvwxyz";

test.before(async (world) => {
  world.root = await mkdtemp(join(tmpdir(), "files-"));
  const folder = join(world.root, "shown");
  await mkdir(join(folder, "inner"), { recursive: true });
  await writeFile(join(folder, "letters.txt"), letters);
  await writeFile(join(folder, "empty.txt"), "");
  await writeFile(join(folder, "large.txt"), letters.repeat(100_000));
  await writeFile(join(world.root, "secret.txt"), "secret");
  await symlink(join(world.root, "secret.txt"), join(folder, "link.txt"));
  const show = http
    .get("/files/:name", {
      access: anyone,
      params: Type.Object({ name: Type.String() }),
      returns: fileOf("text/plain"),
    })
    .handle(({ params }) => {
      const options = { type: "text/plain", cacheControl: "public, max-age=60" };
      return fileIn(
        folder,
        params.name,
        params.name === "empty.txt" ? { ...options, saveAs: "報表 (1).txt" } : options,
      );
    });
  world.show = show;
  const tried = tryFunction(show);
  world.get = (name, init = {}) => {
    const { body: _body, ...rest } = init;
    return tried.fetch(`/files/${encodeURIComponent(name)}`, rest);
  };
});

test.after(({ root }) => rm(root, { recursive: true }));

test("a file is sent with what a cache and a browser must know", async ({ get }) => {
  const response = await get("letters.txt");
  assert.is(response.status, 200);
  assert.is(response.headers.get("content-type"), "text/plain");
  assert.is(response.headers.get("content-length"), "26");
  assert.is(response.headers.get("cache-control"), "public, max-age=60");
  assert.is(response.headers.get("x-content-type-options"), "nosniff");
  assert.is(await response.text(), letters);
  const etag = response.headers.get("etag") ?? "";
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await get("letters.txt", { headers: { "if-none-match": known } });
    assert.is(again.status, 304, known);
    assert.is(await again.text(), "");
  }
  assert.is((await get("letters.txt", { headers: { "if-none-match": '"other"' } })).status, 200);
  assert.is((await (await get("large.txt")).text()).length, 2_600_000);
});

test("HEAD gets the headers alone; an empty file is one, too; a download has its name", async ({ get }) => {
  const head = await get("letters.txt", { method: "HEAD" });
  assert.is(head.headers.get("content-length"), "26");
  assert.is(await head.text(), "");
  const empty = await get("empty.txt");
  assert.is(empty.headers.get("content-length"), "0");
  assert.is(await empty.text(), "");
  const exact = "%E5%A0%B1%E8%A1%A8%20%281%29.txt";
  assert.is(empty.headers.get("content-disposition"), `attachment; filename="____1_.txt"; filename*=UTF-8''${exact}`);
});

test("a part is sent where one is asked for", async ({ get }) => {
  const etag = (await get("letters.txt")).headers.get("etag") ?? "";
  const cases: [range: string, status: number, text: string, condition?: string][] = [
    ["bytes=0-2", 206, "abc"],
    ["bytes=23-", 206, "xyz"],
    ["bytes=-2", 206, "yz"],
    ["bytes=-100", 206, letters],
    ["bytes=24-1000", 206, "yz"],
    ["bytes=26-", 416, ""],
    ["bytes=-0", 416, ""],
    ["bytes=5-2", 200, letters],
    ["bytes=0-1,3-4", 200, letters],
    ["pages=1-2", 200, letters],
    ["bytes=-", 200, letters],
    ["bytes=0-2", 206, "abc", etag],
    ["bytes=0-2", 200, letters, '"older"'],
  ];
  for (const [range, status, text, condition] of cases) {
    const headers = { range, ...(condition !== undefined && { "if-range": condition }) };
    const response = await get("letters.txt", { headers });
    assert.is(response.status, status, range);
    assert.is(await response.text(), text, range);
  }
  const beyond = await get("letters.txt", { headers: { range: "bytes=26-" } });
  assert.is(beyond.headers.get("content-range"), "bytes */26");
  assert.is(beyond.headers.get("cache-control"), null, "that there is no such part is not for a cache to keep");
  const part = await get("letters.txt", { headers: { range: "bytes=1-3" } });
  assert.is(part.headers.get("content-range"), "bytes 1-3/26");
  assert.is(part.headers.get("content-length"), "3");
});

test("no name leads out of the folder", async ({ get, root }) => {
  const names = [
    "../secret.txt",
    join(root, "secret.txt"),
    "inner/../../secret.txt",
    "link.txt",
    "inner",
    ".",
    "..",
    "none.txt",
    "a\0b",
    "letters.txt/x",
    "x".repeat(5000),
    "",
  ];
  for (const name of names) assert.is((await get(name)).status, 404, name);
});

test("a linked folder is followed within the folder alone, and the folder itself may be a link", async ({ root }) => {
  const shown = join(root, "shown");
  await writeFile(join(shown, "inner", "deep.txt"), "deep");
  await mkdir(join(root, "shown-too"));
  await writeFile(join(root, "shown-too", "secret.txt"), "secret");
  await symlink(root, join(shown, "out"));
  await symlink(join(root, "shown-too"), join(shown, "beside"));
  await symlink(join(shown, "inner"), join(shown, "within"));
  await symlink(shown, join(root, "alias"));
  for (const folder of [shown, join(root, "alias"), join(root, "none")]) {
    const show = http
      .get("/files/:name", {
        access: anyone,
        params: Type.Object({ name: Type.String() }),
        returns: fileOf("text/plain"),
      })
      .handle(({ params }) => fileIn(folder, params.name, { type: "text/plain" }));
    const tried = tryFunction(show);
    const get = (name: string) => tried.fetch(`/files/${encodeURIComponent(name)}`);
    for (const name of ["out/secret.txt", "out/shown/letters.txt/x", "beside/secret.txt", "within/../../secret.txt"]) {
      assert.is((await get(name)).status, 404, name);
    }
    for (const name of ["within/deep.txt", "inner/deep.txt", "out/shown/letters.txt"]) {
      assert.is((await get(name)).status, folder.endsWith("none") ? 404 : 200, `${folder} ${name}`);
    }
  }
});

test("the documentation tells what may be answered of a file", ({ show }) => {
  const loaded = { name: "show", file: "show.ts", definition: show, hash: "1", inputs: [] };
  const document = JSON.parse(JSON.stringify(openapi({ title: "T", version: "1", description: "" }, [loaded])));
  const { responses } = document.paths["/files/{name}"].get;
  assert.equal(Object.keys(responses), ["200", "206", "304", "400", "404", "416"]);
  assert.equal(Object.keys(responses[200].content), ["text/plain"]);
});

test.run();
