import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { Type } from "typebox";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../ops/harness/eventually.ts";
import { bareSettings, createHost } from "../host/create.ts";
import { Metrics } from "../host/metrics.ts";
import type { Loaded } from "../host/slot.ts";
import { anyone, http } from "../index.ts";
import { httpTrigger } from "../triggers/http.ts";
import { openapi } from "./openapi.ts";
import { serveProduction, type HttpServer } from "./server.ts";

type Body = string | FormData;

const mebibyte = 2 ** 20;

interface World {
  folder: string;
  server: HttpServer;
  loaded: Loaded;
  ways: { name: string; post(body: Body, type?: string): Promise<Response> }[];
}

const test = suite<World>("forms");

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test.before(async (world) => {
  world.folder = join(await mkdtemp(join(tmpdir(), "form-")), "made", "by itself");
  const definition = http
    .post("/photos", {
      access: anyone,
      body: Type.Object({
        album: Type.String({ minLength: 1 }),
        stars: Type.Integer({ default: 3, maximum: 5 }),
      }),
      bodyLimit: 8 * mebibyte,
      files: { photo: { maxBytes: 3 * mebibyte, description: "What is seen" }, note: { maxBytes: 10 } },
      returns: Type.Unknown(),
    })
    .handle(async ({ body, files: { photo, note } }) => ({
      ...body,
      photo: { ...photo, path: "", sha256: sha256(await readFile(photo.path)) },
      note: await readFile(note.path, "utf8"),
      onDisk: (await readdir(world.folder)).length,
    }));
  world.loaded = { name: "photos", file: "photos.ts", definition, hash: "1", inputs: [] };
  const settings = { ...bareSettings, uploadFolder: world.folder };
  const host = createHost({ settings, resources: {} as never, log: pino({ level: "silent" }) }, new Metrics());
  const trigger = httpTrigger(host);
  await trigger.mount(world.loaded);
  world.server = await serveProduction(trigger.dispatch, { port: 0 });
  const init = (body: Body, type?: string): RequestInit => ({
    method: "POST",
    body,
    ...(type !== undefined && { headers: { "content-type": type } }),
  });
  world.ways = [
    { name: "socket", post: (body, type) => fetch(`${world.server.url}/photos`, init(body, type)) },
    {
      name: "no socket",
      // As bytes: undici throws where nobody catches it when a form that it encodes is not read to its end.
      async post(body, type) {
        const encoded = new Response(body);
        const sent = init("", type ?? encoded.headers.get("content-type") ?? "");
        return trigger.fetch(new Request("http://x/photos", { ...sent, body: await encoded.arrayBuffer() }));
      },
    },
  ];
});

test.after.each(async ({ folder }) => {
  await eventually(async () => (await readdir(folder).catch(() => [])).length === 0, {
    what: "nothing is left on disk",
  });
});

test.after(async ({ folder, server }) => {
  server.cut();
  await server.stopAccepting();
  await rm(join(folder, "..", ".."), { recursive: true });
});

interface Parts {
  photo?: Uint8Array<ArrayBuffer> | undefined;
  note?: string;
  texts?: Record<string, string>;
}

function form({ photo = Buffer.from("a photo"), note = "seen", texts = { album: "Tour" } }: Parts = {}): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(texts)) made.append(name, value);
  made.append("photo", new Blob([photo], { type: "image/png" }), "夏天.png");
  made.append("note", new Blob([note]), "note.txt");
  return made;
}

/** A form as it is on the wire. */
function wire(...parts: readonly [headers: string, content: string][]): string {
  return `${parts.map(([headers, content]) => `--X\r\n${headers}\r\n\r\n${content}\r\n`).join("")}--X--\r\n`;
}

const multipart = "multipart/form-data; boundary=X";
const photoHeader = 'Content-Disposition: form-data; name="photo"; filename="a.png"';
const noteHeader = 'Content-Disposition: form-data; name="note"; filename="a.txt"';
const strangeHeader = 'Content-Disposition: form-data; name="virus"; filename="x.exe"';
const albumHeader = 'Content-Disposition: form-data; name="album"';

test("texts are checked and typed, files are on disk until the call is over", async ({ ways }) => {
  const photo = randomBytes(3 * mebibyte);
  for (const { name, post } of ways) {
    const response = await post(form({ photo, note: "十個字節", texts: { album: "冬", stars: "5", more: "x" } }));
    const text = await response.text();
    assert.is(response.status, 400, `${name}: a note of twelve bytes is too long`);
    assert.match(text, "note must be at most 10 bytes");
    const good = await post(form({ photo, texts: { album: "冬", stars: "5", more: "x" } }));
    assert.equal(await good.json(), {
      album: "冬",
      stars: 5,
      photo: {
        path: "",
        bytes: photo.length,
        filename: "夏天.png",
        contentType: "image/png",
        sha256: sha256(photo),
      },
      note: "seen",
      onDisk: 2,
    });
  }
});

const tooMuchText = "the form has too much text";

test("what is wrong is named", async ({ ways }) => {
  const twice = form();
  twice.append("note", new Blob(["again"]), "b.txt");
  const strange = form();
  strange.append("virus", new Blob(["x"]), "x.exe");
  const many = form();
  for (let index = 0; index < 200; index++) many.append(`field${index}`, "x");
  const cases: [body: Body, field: string | undefined, message: string][] = [
    [form({ photo: new Uint8Array(3 * mebibyte + 1) }), "photo", "photo must be at most 3 MB"],
    [form({ photo: new Uint8Array(5 * mebibyte) }), "photo", "photo must be at most 3 MB"],
    [form({ texts: {} }), "album", "album is required"],
    [form({ texts: { album: "a", stars: "many" } }), "stars", "stars must be integer"],
    [form({ texts: { album: "x".repeat(70_000) } }), "album", "album must be at most 65536 bytes"],
    [twice, "note", "note must be given once"],
    [strange, "virus", "virus is not a file of this form"],
    [many, "", "the form must have at most 100 fields"],
    [form({ texts: Object.fromEntries("abcde".split("").map((name) => [name, "x".repeat(65_000)])) }), "", tooMuchText],
    [
      wire(...Array.from({ length: 200 }, (): [string, string] => ["X-No: name", ""])),
      "",
      "the form has too many parts",
    ],
    // The parser has what comes after it, too.
    [wire([strangeHeader, "x".repeat(500_000)], [photoHeader, "x"]), "virus", "virus is not a file of this form"],
    [wire([photoHeader, "x"], [albumHeader, "a"]), "note", "note is required"],
    [
      wire([albumHeader, "a"], [albumHeader, "b"], [photoHeader, "x"], [noteHeader, "x"]),
      "album",
      "album must be string",
    ],
    [
      wire(['Content-Disposition: form-data; name="__proto__"; filename="x"', "x"]),
      "__proto__",
      "__proto__ is not a file of this form",
    ],
    [wire([photoHeader, "x"]).slice(0, -10), undefined, "The body is not a complete multipart form"],
    ["no form at all", undefined, "The body is not a complete multipart form"],
    ["", undefined, "The body is not a complete multipart form"],
  ];
  for (const { name, post } of ways) {
    for (const [body, field, message] of cases) {
      const response = await post(body, typeof body === "string" ? multipart : undefined);
      const told = (await response.json()) as { code: string; title: string; errors?: { field: string }[] };
      assert.is(response.status, 400, `${name}: ${message}: ${JSON.stringify(told)}`);
      assert.is(told.code, "invalid_request");
      assert.is(told.title, message, name);
      assert.is(told.errors?.[0]?.field, field, name);
    }
  }
});

test("what is no form, or too large a one, is refused as such", async ({ ways }) => {
  for (const { name, post } of ways) {
    assert.is((await post("{}", "application/json")).status, 415, name);
    assert.is((await post("{}", "multipart/mixed; boundary=X")).status, 415, name);
    assert.is((await post("{}", "multipart/form-data; charset=utf-8")).status, 400, name);
    const large = form({ texts: { album: "a" } });
    for (let part = 0; part < 3; part++) large.append(`large${part}`, "x".repeat(3 * mebibyte));
    assert.is((await post(large)).status, 413, name);
  }
});

test("headers without end take no memory, and are no part", async ({ ways }) => {
  for (const { name, post } of ways) {
    const endless = wire(
      [`X-Long: ${"x".repeat(mebibyte)}\r\n${photoHeader}`, "x"],
      [noteHeader, "x"],
      [albumHeader, "a"],
    );
    assert.is((await post(endless, multipart)).status, 400, name);
  }
});

test("of an upload that breaks off nothing is left", async ({ server, folder }) => {
  const socket = connect(server.port);
  socket.write(`POST /photos HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipart}\r\nContent-Length: 100000\r\n\r\n`);
  socket.write(`--X\r\n${photoHeader}\r\n\r\n${"x".repeat(50_000)}`);
  await eventually(async () => (await readdir(folder)).length === 1, { what: "the file has begun" });
  socket.resetAndDestroy();
  await once(socket, "close");
});

test("the documentation shows a form", ({ loaded }) => {
  const document = JSON.parse(JSON.stringify(openapi({ title: "T", version: "1", description: "" }, [loaded])));
  const { requestBody, responses } = document.paths["/photos"].post;
  const { schema } = requestBody.content["multipart/form-data"];
  assert.equal(schema.properties.photo, { type: "string", format: "binary", description: "What is seen" });
  assert.is(schema.properties.album.type, "string");
  assert.equal(schema.required, ["photo", "note", "album"]);
  assert.equal(Object.keys(responses), ["200", "400", "413", "415"]);
});

test.run();
