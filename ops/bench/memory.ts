/** How much memory large mail takes: ten clients at once, each with an attachment of 25 MB. */
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { App } from "./app.ts";
import { number, Series, type Plan, type Report, type Row } from "./measure.ts";
import { roles, startServers, until, type System } from "./system.ts";

const mebibyte = 2 ** 20;
const clients = 10;
const target = 256;

/** What is measured: whom the mail leaves by, and the largest attachment that he takes. */
const variants: { name: string; attachmentBytes: number; env: Readonly<Record<string, string>> }[] = [
  { name: "sandbox", attachmentBytes: 25 * mebibyte, env: { MAIL_SENDER: "sandbox" } },
  { name: "sendgrid", attachmentBytes: 25 * mebibyte, env: {} },
];

export async function measureMemory(plan: Plan): Promise<Report> {
  const servers = await startServers(plan.tell);
  try {
    const rows: Row[] = [];
    const series = new Series();
    for (const { name, attachmentBytes, env } of variants) {
      const system = await servers.newSystem(`memory_${name}`, clients, env);
      const api = await system.start("api", roles.api);
      const worker = await system.start("worker", roles.worker);
      const idle = megabytes(api.peakBytes());
      for (let round = 0; round < plan.rounds; round++) {
        await Promise.all(Array.from({ length: clients }, () => post(api, system, attachmentBytes)));
        await until("mail to send", () => left(system));
        const sample = { idle, api: megabytes(api.peakBytes()), worker: megabytes(worker.peakBytes()) };
        series.add(name, sample);
        const found = Object.entries(sample).map(([what, value]) => `${what} ${number(value)} MB`);
        plan.tell(`  ${round + 1}/${plan.rounds}  ${name.padEnd(28)} ${found.join("  ")}`);
      }
      const size = `${clients} × ${attachmentBytes / mebibyte} MB`;
      for (const [role, app] of Object.entries({ api, worker })) {
        rows.push({
          measurement: `memory of the ${role}, ${size} by ${name}`,
          ours: `${number(megabytes(app.peakBytes()))} MB`,
          peers: "",
          ceiling: "",
          ratio: "",
          target: `< ${target} MB`,
        });
      }
      await Promise.all([api.stop(), worker.stop()]);
    }
    return { rows, samples: series.toJSON() };
  } finally {
    await servers.close();
  }
}

const megabytes = (bytes: number): number => bytes / mebibyte;

async function left({ db }: System): Promise<number> {
  const { rows } = await db.query<{ failed: number; left: number }>(
    `SELECT count(*) FILTER (WHERE status = 'failed')::int AS failed,
            count(*) FILTER (WHERE status IN ('queued', 'processing'))::int AS left FROM mails`,
  );
  if ((rows[0]?.failed ?? 1) > 0) throw new Error(`${rows[0]?.failed} mails failed`);
  return rows[0]?.left ?? NaN;
}

/** Sends one mail whose attachment nobody else has, without holding it here. */
async function post({ url }: App, { authorization }: System, attachmentBytes: number): Promise<void> {
  const block = randomBytes(768 * 1024).toString("base64");
  // Without padding: at most two bytes less than asked for.
  const base64Bytes = Math.floor(attachmentBytes / 3) * 4;
  const [start = "", end = ""] = JSON.stringify({
    from: "bench@example.com",
    to: ["reader@example.org"],
    subject: "A large mail",
    body: "The file is attached.",
    attachments: [{ filename: "large.bin", content: "CONTENT" }],
  }).split("CONTENT");
  function* body(): Generator<string> {
    yield start;
    for (let left = base64Bytes; left > 0; left -= block.length) yield block.slice(0, left);
    yield end;
  }
  const outgoing = request(`${url}/api/v1/mail/send`, {
    method: "POST",
    headers: {
      authorization,
      "content-type": "application/json",
      "content-length": start.length + base64Bytes + end.length,
    },
  });
  const answered = new Promise<string>((resolve, reject) => {
    outgoing.once("error", reject).once("response", (response) => {
      response.setEncoding("utf8");
      let text = "";
      response.on("data", (data: string) => (text += data));
      response.once("end", () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode} ${text}`)),
      );
    });
  });
  await Promise.all([answered, pipeline(Readable.from(body()), outgoing)]);
}
