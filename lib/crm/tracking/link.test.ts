import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { tmpdir } from "node:os";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSecrets } from "../../resources/secrets.ts";
import { linksOf, openLink, openPostback, postbackData, prepareLink, signLink } from "./link.ts";

const config = { publicUrl: "https://crm.hotel.example" } as Parameters<typeof linksOf>[0]["config"];
const house = async (keys: Buffer[] = [randomBytes(32)]) => ({
  config,
  secrets: await openSecrets({ keys, file: join(tmpdir(), "no-such-key") }),
});
const place = { campaignId: 12, kind: "button", index: 1, tagIds: [5, 6] } as const;
const url = "https://hotel.example/offers/business?room=2&from=line#rates";
const signedOf = (link: string) => link.slice(`${config.publicUrl}/r/`.length);

test("a link tells campaign, member, place, tags and address", async () => {
  const ctx = await house();
  const link = signLink(ctx, { ...place, memberId: 99, url });
  assert.match(link, /^https:\/\/crm\.hotel\.example\/r\/[\w~-]+$/);
  assert.equal(openLink(ctx, signedOf(link)), { ...place, tagIds: [5, 6], memberId: 99, url });
});

test("whatever is changed in a link, it is none", async () => {
  const ctx = await house();
  const signed = signedOf(signLink(ctx, { ...place, memberId: 99, url }));
  const [shared = "", , code = ""] = signed.split("~");
  const elsewhere = Buffer.from("12 button1 5,6 https://evil.example/").toString("base64url");
  for (const forged of [
    `${elsewhere}~99~${code}`,
    `${shared}~98~${code}`,
    `${shared}~99~${code.slice(0, -1)}`,
    `${shared}~99~${randomBytes(16).toString("base64url")}`,
    `${shared}~99`,
    `${signed}~`,
    "",
    "~~",
  ]) {
    assert.is(openLink(ctx, forged), undefined, forged);
  }
  for (let at = 0; at < signed.length - 1; at++) {
    const other = signed[at] === "A" ? "B" : "A";
    assert.is(openLink(ctx, signed.slice(0, at) + other + signed.slice(at + 1)), undefined, `at ${at}`);
  }
});

test("links hold when the key is rotated, until it has gone", async () => {
  const [old, next] = [randomBytes(32), randomBytes(32)];
  const signed = signedOf(signLink(await house([old]), { ...place, memberId: 1, url }));
  assert.is(openLink(await house([next, old]), signed)?.url, url);
  assert.is(openLink(await house([next]), signed), undefined);
});

test("an address of 500 characters fits in what LINE takes", async () => {
  const ctx = await house();
  const long = `https://hotel.example/${"a".repeat(478)}`;
  assert.is(long.length, 500);
  const most = Number.MAX_SAFE_INTEGER;
  const link = signLink(ctx, {
    campaignId: most,
    kind: "item",
    index: 9,
    tagIds: [most, most],
    memberId: most,
    url: long,
  });
  assert.ok(link.length <= 1000, `${link.length}`);
  assert.is(openLink(ctx, signedOf(link))?.url, long);
});

test("an address in Chinese comes back percent-encoded, as browsers take it", async () => {
  const ctx = await house();
  const chinese = `https://hotel.example/${"優惠".repeat(60)}?a=%20b%2Fc&名=王`;
  const link = signLink(ctx, { ...place, memberId: 1, url: chinese });
  assert.ok(link.length < 700, `${link.length}`);
  assert.is(openLink(ctx, signedOf(link))?.url, new URL(chinese).href);
});

test("what no link can carry stays as it is", async () => {
  const ctx = await house();
  const long = `https://hotel.example/${"a".repeat(900)}`;
  for (const plain of ["tel:+886223456789", "line://ti/p/@hotel", long]) {
    assert.is(signLink(ctx, { ...place, memberId: 1, url: plain }), plain);
  }
});

test("a postback tells campaign, place and tags, and cannot be made up", async () => {
  const ctx = await house();
  const most = Number.MAX_SAFE_INTEGER;
  const data = postbackData(ctx, { campaignId: most, kind: "item", index: 9, tagIds: [most, most] });
  assert.ok(data.length <= 300);
  assert.equal(openPostback(ctx, data), { campaignId: most, kind: "item", index: 9, tagIds: [most, most] });
  assert.equal(openPostback(ctx, postbackData(ctx, { campaignId: null, kind: "button", index: 0, tagIds: [] })), {
    campaignId: null,
    kind: "button",
    index: 0,
    tagIds: [],
  });
  assert.is(openPostback(ctx, data.replace("item9", "item8")), undefined);
  assert.is(openPostback(ctx, "action=buy&item=1"), undefined);
  assert.is(openPostback(await house(), data), undefined);
});

test("a campaign's links differ by member alone; a message for many has addresses as they are", async () => {
  const ctx = await house();
  const campaign = linksOf(ctx, 12);
  const shown = { kind: "button", index: 0, itemId: null, url, tagIds: [5] } as const;
  const uriOf = (memberId: number | null) => {
    const destination = campaign(memberId)(shown);
    return "uri" in destination ? destination.uri : "";
  };
  assert.is(openLink(ctx, signedOf(uriOf(1)))?.memberId, 1);
  assert.is(openLink(ctx, signedOf(uriOf(2)))?.memberId, 2);
  assert.is(uriOf(null), url);
  const postback = campaign(null)({ ...shown, url: null });
  assert.equal(openPostback(ctx, "data" in postback ? postback.data : ""), {
    campaignId: 12,
    kind: "button",
    index: 0,
    tagIds: [5],
  });
});

test("a link of one purpose is no postback", async () => {
  const ctx = await house();
  const text = "12 button0 5";
  const asLink = ctx.secrets.macs(text, "links")[0].toString("base64url", 0, 16);
  assert.is(openPostback(ctx, `tap ${text} ${asLink}`), undefined);
  assert.type(prepareLink(ctx, { ...place, url }), "function");
});

const ids = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const places = fc.record(
  {
    campaignId: fc.option(ids),
    kind: fc.constantFrom("button" as const, "item" as const),
    index: fc.nat({ max: 20 }),
    tagIds: fc.array(ids, { maxLength: 4 }),
  },
  { noNullPrototype: true },
);
const addresses = fc
  .tuple(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string({ unit: "grapheme", maxLength: 20 }),
    fc.string({ unit: "binary", maxLength: 10 }),
  )
  .map(([address, text, any]) => `${address}${address.includes("?") ? "&" : "?"}q=${text}%20 ${any}`)
  .filter((address) => URL.canParse(address));
const runs = { seed: 20_260_120, numRuns: 1000 };

test("whatever is linked, the link says it again, to the letter, and fits", async () => {
  const ctx = await house();
  let signed = 0;
  fc.assert(
    fc.property(places, ids, addresses, (given, memberId, address) => {
      const link = signLink(ctx, { ...given, memberId, url: address });
      if (link === address) return;
      signed++;
      assert.ok(link.length <= 1000);
      assert.equal(openLink(ctx, signedOf(link)), { ...given, memberId, url: new URL(address).href });
      const data = postbackData(ctx, given);
      if (data.length <= 300) assert.equal(openPostback(ctx, data), given);
    }),
    runs,
  );
  assert.ok(signed > runs.numRuns / 2, `${signed} were signed`);
});

test("no text that was not signed opens, nor one thing as another", async () => {
  const ctx = await house();
  fc.assert(
    fc.property(
      places,
      ids,
      fc.nat(),
      fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 3 }),
      (given, memberId, at, other) => {
        const link = signedOf(signLink(ctx, { ...given, memberId, url }));
        const data = postbackData(ctx, given);
        const changed = (text: string) =>
          text.slice(0, at % text.length) + other + text.slice((at % text.length) + other.length);
        // The last letter of a code has two bits that say nothing.
        const same = (text: string, it: string) => text.slice(0, -1) === it.slice(0, -1) && text.length === it.length;
        if (!same(changed(link), link)) assert.is(openLink(ctx, changed(link)), undefined);
        if (!same(changed(data), data)) assert.is(openPostback(ctx, changed(data)), undefined);
        for (const text of [data, other]) assert.is(openLink(ctx, text), undefined);
        for (const text of [link, other]) assert.is(openPostback(ctx, text), undefined);
      },
    ),
    runs,
  );
});

test.run();
