import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NotShowable, openImages, type Images, type StoreImage } from "./images.ts";

interface World {
  folder: string;
  images: Images;
  store(content: Uint8Array, options?: Partial<StoreImage>): ReturnType<Images["store"]>;
  of(name: string): string;
}

const test = suite<World>("images");

test.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "images-"));
  world.images = openImages(join(world.folder, "uploads"));
  const formats = ["jpeg", "png", "webp"] as const;
  let count = 0;
  world.store = async (content, options = {}) => {
    const path = join(world.folder, `came-${count++}`);
    await writeFile(path, content);
    return world.images.store({
      path,
      folder: "images/members",
      name: `n${count}`,
      square: false,
      formats,
      ...options,
    });
  };
  world.of = (name) => join(world.folder, "uploads", "images", "members", name);
});

test.after.each(({ folder }) => rm(folder, { recursive: true }));

/** Left half red, right half blue. */
function halves(width: number, height: number) {
  const half = { create: { width: Math.ceil(width / 2), height, channels: 3 as const, background: "blue" } };
  return sharp({ create: { width, height, channels: 3, background: "red" } }).composite([
    { input: half, left: Math.floor(width / 2), top: 0 },
  ]);
}

test("a photograph gets small, stands upright and tells nothing of where it was taken", async ({ store, of }) => {
  const photo = await halves(3000, 2000)
    .jpeg()
    .withMetadata({ orientation: 6 })
    .withExifMerge({ IFD0: { Copyright: "SECRET PLACE" } })
    .toBuffer();
  assert.ok(photo.includes("SECRET PLACE"));
  const { filename, thumbnail, width, height } = await store(photo);
  assert.equal([filename, thumbnail, width, height], ["n1.jpg", "n1_thumb.jpg", 1200, 1800]);
  for (const [name, wide] of [
    [filename, 1200],
    [thumbnail, 800],
  ] as const) {
    const bytes = await readFile(of(name));
    assert.not.ok(bytes.includes("SECRET PLACE"));
    const seen = await sharp(bytes).metadata();
    assert.equal([seen.format, seen.width, seen.orientation, seen.exif], ["jpeg", wide, undefined, undefined]);
    const { dominant } = await sharp(
      await sharp(bytes).extract({ left: 0, top: 0, width: 50, height: 50 }).toBuffer(),
    ).stats();
    assert.ok(dominant.r > 200 && dominant.b < 60, "the left of it is on top now");
  }
});

test("a small picture stays as small; one that is cut is square", async ({ store, of }) => {
  const small = await store(await halves(300, 100).png().toBuffer());
  assert.equal([small.filename, small.width, small.height], ["n1.png", 300, 100]);
  const square = await store(await halves(3000, 900).png().toBuffer(), { square: true });
  assert.equal([square.width, square.height], [900, 900]);
  const { width, height } = await sharp(of(square.thumbnail)).metadata();
  assert.equal([width, height], [800, 800]);
});

test("a WebP is kept as one, and shown as a JPEG", async ({ store, of, folder }) => {
  const { filename } = await store(await halves(200, 100).webp().toBuffer());
  assert.is(filename, "n1.jpg");
  assert.is((await sharp(of("n1.jpg")).metadata()).format, "jpeg");
  assert.is((await sharp(of("n1.webp")).metadata()).format, "webp");
  const files = await readdir(join(folder, "uploads", "images", "members"));
  assert.equal(files.toSorted(), ["n1.jpg", "n1.webp", "n1_thumb.jpg"]);
});

test("what is no picture, or not one of those that are taken, is refused whatever it is called", async ({
  store,
  folder,
}) => {
  const png = await halves(200, 100).png().toBuffer();
  const cases: [content: Uint8Array, reason: string][] = [
    [Buffer.from(""), "must be a picture of these: jpeg, png, webp"],
    [Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), "must be a picture of these"],
    [await halves(9, 9).gif().toBuffer(), "must be a picture of these"],
    [await halves(9, 9).tiff().toBuffer(), "must be a picture of these"],
    [
      Buffer.concat([Buffer.from("\xff\xd8\xff", "latin1"), Buffer.from("<script>alert(1)</script>")]),
      "cannot be read",
    ],
    [png.subarray(0, png.length - 60), "cannot be read"],
  ];
  for (const [content, reason] of cases) {
    try {
      await store(content);
      assert.unreachable(reason);
    } catch (error) {
      assert.instance(error, NotShowable);
      assert.match((error as NotShowable).reason, reason);
    }
  }
  const onlyPng = store(await halves(9, 9).jpeg().toBuffer(), { formats: ["png"] });
  await onlyPng.then(
    () => assert.unreachable(),
    (error: unknown) => assert.instance(error, NotShowable),
  );
  assert.equal(await readdir(join(folder, "uploads")).catch(() => []), []);
});

test("a picture that would be huge is refused by its header", async ({ store }) => {
  const bomb = bigPng(60_000, 60_000);
  try {
    await store(bomb);
    assert.unreachable();
  } catch (error) {
    assert.is(error instanceof NotShowable && error.reason, "must have at most 50 megapixels");
  }
});

test("one after another they are stored, and a bad one stops nobody", async ({ store }) => {
  const good = await halves(100, 100).png().toBuffer();
  const all = await Promise.allSettled([store(good), store(Buffer.from("none")), store(good)]);
  assert.equal(
    all.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
});

/** A PNG that says how large it is and has next to nothing of it. */
function bigPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const data = deflateSync(Buffer.alloc(1000));
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

test.run();
