/** Pictures, as they come from the people of the hotel and go to LINE. */
import { readdir } from "node:fs/promises";
import sharp from "sharp";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ownFolder } from "../harness/process.ts";
import { startCrm, type Crm } from "./crm.ts";
import { stopAll } from "./system.ts";

const story = suite("CRM: uploads");

const origin = "https://crm.hotel.example";

let crm: Crm;
let folder: string;

story.before(async () => {
  folder = ownFolder("uploads");
  crm = await startCrm({ env: { FUNCTIONS: "crm/uploads/*", UPLOAD_DIR: folder, CORS_ORIGINS: origin } });
});
story.after(async () => {
  await stopAll();
  await crm.close();
});

const Uploaded = Type.Object(
  {
    code: Type.Literal(200),
    message: Type.String(),
    timestamp: Type.String(),
    data: Type.Object(
      {
        filename: Type.String(),
        path: Type.String(),
        url: Type.String(),
        thumbnail_path: Type.String(),
        thumbnail_url: Type.String(),
        width: Type.Integer(),
        height: Type.Integer(),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

const Refused = Type.Object({
  code: Type.Integer(),
  errors: Type.Array(Type.Object({ field: Type.String(), message: Type.String() })),
});

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "teal" } });

async function upload(content: Uint8Array, texts: Record<string, string> = {}, token = crm.admin.token) {
  const body = new FormData();
  for (const [name, value] of Object.entries(texts)) body.append(name, value);
  // The name is a lie, and leads out of the folder: nothing depends on it.
  body.append("file", new Blob([Uint8Array.from(content)], { type: "text/html" }), "../../etc/picture.html");
  const headers = { authorization: `Bearer ${token}`, origin };
  return await fetch(`${crm.system.url}/api/v1/upload/image`, { method: "POST", body, headers });
}

async function refused(response: Response): Promise<[status: number, field: string, message: string]> {
  const { errors } = Value.Parse(Refused, await response.json());
  return [response.status, errors[0]?.field ?? "", errors[0]?.message ?? ""];
}

story("a picture is uploaded, and LINE fetches it", async () => {
  const response = await upload(await picture(2400, 1200).webp().toBuffer(), { category: "members", crop: "square" });
  assert.is(response.status, 200);
  assert.is(response.headers.get("access-control-allow-origin"), origin);
  const { data } = Value.Parse(Uploaded, await response.json());
  assert.match(data.path, /^images\/members\/\d{8}_\d{6}_[\da-f-]{36}\.jpg$/);
  assert.is(data.url, `http://localhost:${new URL(crm.system.url).port}/static/uploads/${data.path}`);
  assert.equal([data.width, data.height], [1200, 1200]);
  for (const [url, width] of [
    [data.url, 1200],
    [data.thumbnail_url, 800],
  ] as const) {
    const seen = await fetch(url);
    assert.is(seen.status, 200);
    assert.is(seen.headers.get("content-type"), "image/jpeg");
    assert.is(seen.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.is(seen.headers.get("x-content-type-options"), "nosniff");
    assert.is((await sharp(await seen.bytes()).metadata()).width, width);
  }
  const webp = await fetch(data.url.replace(/jpg$/, "webp"));
  assert.is(webp.headers.get("content-type"), "image/webp");
  await webp.bytes();
});

story("templates are the default, and everybody of the hotel may upload", async () => {
  const png = await picture(20, 10).png().toBuffer();
  for (const role of ["marketing", "customer_service"] as const) {
    const response = await upload(png, {}, (await crm.person(role)).token);
    const { data } = Value.Parse(Uploaded, await response.json());
    assert.match(data.path, /^images\/templates\/.*\.png$/);
  }
  assert.is((await upload(png, {}, "nobody")).status, 401);
});

story("what cannot be taken is refused by name", async () => {
  const png = await picture(20, 10).png().toBuffer();
  const svg = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>");
  const before = await readdir(folder, { recursive: true });
  assert.equal((await refused(await upload(png, { category: "temp" }))).slice(0, 2), [400, "category"]);
  assert.equal((await refused(await upload(png, { category: "../x" }))).slice(0, 2), [400, "category"]);
  assert.equal((await refused(await upload(png, { crop: "round" }))).slice(0, 2), [400, "crop"]);
  assert.equal((await refused(await upload(svg))).slice(0, 2), [400, "file"]);
  assert.equal(await refused(await upload(Buffer.alloc(11 * 2 ** 20))), [400, "file", "must be at most 10 MB"]);
  const json = await crm.post("/upload/image", { file: "x" });
  assert.is(json.status, 415);
  assert.equal(await readdir(folder, { recursive: true }), before, "nothing of it is left");
});

story("nothing but pictures is served, and from nowhere else", async () => {
  const name = `20260101_000000_${"0".repeat(8)}-0000-0000-0000-${"0".repeat(12)}.jpg`;
  const paths = [
    `images/templates/${name}`,
    `images/temp/${name}`,
    "images/templates/..%2F..%2F..%2Fkeys%2Fjwt.pem",
    "images/members/..%2Ftemplates",
    "images/templates/%00.jpg",
    "images/templates/",
  ];
  for (const path of paths) {
    const response = await fetch(`${crm.system.url}/static/uploads/${path}`);
    assert.ok(response.status === 404 || response.status === 400, `${path}: ${response.status}`);
    await response.text();
  }
});

story.run();
