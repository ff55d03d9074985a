/** What a client, and an operator, find in the history of their mails. */
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Permission } from "../../lib/auth/permissions.ts";
import { eventually, freshDatabase } from "../harness/test.ts";
import { plainMail, startSystem, stopAll, type Answer, type System } from "./system.ts";
import { issueToken } from "./token.ts";

const history = suite("history");
history.after(stopAll);

let system: System;
let database: Client;
let sales = "";
let desk = "";

history.before(async () => {
  const env = { DATABASE_URL: await freshDatabase(), JWT_SECRET: "a secret for the tests of history" };
  system = await startSystem({ env });
  const permissions: Permission[] = ["mail:send", "mail:read"];
  [sales, desk] = [await issueToken(env, permissions), await issueToken(env, permissions)];
  database = new Client({ connectionString: env.DATABASE_URL });
  await database.connect();
});
history.after(() => database.end());

interface Mail {
  id: string;
  subject: string;
  status: string;
}

interface Page {
  total: number;
  page: number | null;
  limit: number;
  data: Mail[];
  next_cursor: string | null;
}

async function read(query = "", token = sales): Promise<Page> {
  const answer = await system.call(`/api/v1/mail/history${query}`, { token });
  assert.is(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

async function send(subject: string, token = sales): Promise<string> {
  const answer = await system.send({ subject }, { token });
  assert.is(answer.status, 200, answer.text);
  return String(answer.body["mail_id"]);
}

const subjects = ({ data }: Page) => data.map(({ subject }) => subject);
const numbered = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => `Mail ${from + (to > from ? i : -i)}`);
const whole = { limit: "1000" };

/** One after the other, so that each is newer than the one before. */
async function sendAll(all: readonly string[], token = sales): Promise<void> {
  for (const subject of all) {
    await send(subject, token);
    const sent = Date.now();
    await eventually(() => Date.now() > sent, { what: "another millisecond" });
  }
}

history("an accepted mail is there at once, as the interface describes it", async () => {
  const id = await send("Mail 1");
  const { total, page, limit, data } = await read();
  assert.equal([total, page, limit], [1, 1, 20]);
  const [mail] = data;
  assert.equal(
    { ...mail, status: "", created_at: "", sent_at: "" },
    {
      id,
      from: plainMail.from,
      to: plainMail.to,
      subject: "Mail 1",
      status: "",
      created_at: "",
      sent_at: "",
    },
  );
  await eventually(async () => (await read("?status=sent")).total === 1, { what: "it is shown as sent" });
  assert.is((await read("?status=queued")).total, 0);
});

history("each sees its own, an admin everything", async () => {
  await sendAll(numbered(2, 13));
  await sendAll(["Desk 1", "Desk 2"], desk);
  await system.accept({ subject: "Boss 1" });

  assert.equal(subjects(await read("", desk)), ["Desk 2", "Desk 1"]);
  const own = await read();
  assert.equal([own.total, subjects(own)], [13, numbered(13, 1)]);
  const everyones = await read("", system.token);
  assert.equal([everyones.total, subjects(everyones)], [16, ["Boss 1", "Desk 2", "Desk 1", ...numbered(13, 1)]]);

  const { rows } = await database.query<{ client_id: string }>("SELECT client_id FROM mails WHERE subject = 'Desk 1'");
  const deskId = rows[0]?.client_id ?? "";
  assert.equal(subjects(await read(`?client_id=${deskId}`, system.token)), ["Desk 2", "Desk 1"]);
  assert.is((await read(`?client_id=${deskId}`, desk)).total, 2, "a client may name itself");
  const refused = await system.call(`/api/v1/mail/history?client_id=${deskId}`, { token: sales });
  assert.equal([refused.status, refused.body["error"]], [403, "permission_denied"]);
  const noToken = await system.call("/api/v1/mail/history", { token: null });
  assert.equal([noToken.status, noToken.body["error"]], [401, "missing_token"]);
});

history("page by page to the end, with a total that agrees", async () => {
  const pages: Page[] = [];
  for (let page = 1; page <= 4; page++) pages.push(await read(`?page=${page}&limit=5`));
  assert.equal(pages.flatMap(subjects), numbered(13, 1));
  assert.equal(
    pages.map(({ data }) => data.length),
    [5, 5, 3, 0],
  );
  assert.ok(pages.every(({ total, limit }) => total === 13 && limit === 5));
});

history("by cursor everything comes once, while mail goes on coming in and being sent", async () => {
  let page = await read("?limit=3");
  const seen = subjects(page);
  for (let next = 14; page.next_cursor !== null; next += 2) {
    await sendAll(numbered(next, next + 1));
    page = await read(`?limit=3&cursor=${page.next_cursor}`);
    seen.push(...subjects(page));
  }
  assert.equal(seen, numbered(13, 1));
  assert.is((await read()).total, 21);
});

history("more than a hundred on a page are a hundred, and shown so", async () => {
  await Promise.all(numbered(22, 121).map((subject) => send(subject)));
  const { limit, total, data, next_cursor: next } = await read(`?${new URLSearchParams(whole)}`);
  assert.equal([limit, total, data.length], [100, 121, 100]);
  assert.is((await read(`?limit=100&cursor=${next}`)).data.length, 21);
});

history("the total stays exact when it has been summed up, and through every change of status", async () => {
  await eventually(async () => (await read("?status=sent")).total === 121, { what: "all are sent", within: 15_000 });
  const open = async () => (await database.query("SELECT FROM mail_total_changes")).rowCount;
  await eventually(async () => (await open()) === 0, { what: "the changes are summed up", within: 10_000 });
  const told = await Promise.all(["", "?status=sent", "?status=queued", "?status=processing"].map((q) => read(q)));
  assert.equal(
    told.map(({ total }) => total),
    [121, 121, 0, 0],
  );
});

history("nonsense is refused, by the name of its field", async () => {
  const wrong: [query: string, field: string][] = [
    ["page=0", "page"],
    ["page=-1", "page"],
    ["page=1.5", "page"],
    ["page=abc", "page"],
    ["page=", "page"],
    ["page=1e9", "page"],
    ["page=1000000000", "page"],
    ["page=99999999999999999999", "page"],
    ["page=1&page=2", "page"],
    ["limit=0", "limit"],
    ["limit=-5", "limit"],
    ["limit=many", "limit"],
    ["status=foo", "status"],
    ["status=", "status"],
    ["status=SENT", "status"],
    ["cursor=garbage", "cursor"],
    ["cursor=", "cursor"],
    ["cursor=%00", "cursor"],
    ["page=1&cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cursor"],
    ["client_id=", "client_id"],
    [`client_id=${"x".repeat(101)}`, "client_id"],
    ["client_id=a%00b", "client_id"],
  ];
  for (const [query, field] of wrong) {
    const answer: Answer = await system.call(`/api/v1/mail/history?${query}`, { token: sales });
    assert.equal([answer.status, answer.body["error"]], [400, "invalid_request"], `${query}: ${answer.text}`);
    const details: { field: string }[] = JSON.parse(answer.text).details;
    assert.is(details[0]?.field, field, `${query}: ${answer.text}`);
  }
});

history.run();
