/** Marked mail at a steady rate by every way in, and what each was told of it. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createTransport } from "nodemailer";
import type { System } from "../e2e/system.ts";
import type { Random } from "../harness/random.ts";
import { makeClient, patienceMs, steadily } from "./client.ts";
import type { Fleet } from "./fleet.ts";

/** One mail, told by its subject. */
export interface Marked {
  readonly subject: string;
  readonly by: "api" | "smtp" | "schedule";
  /** SHA-256 of its attachment. */
  readonly hash?: string;
  /** Its id, once it was acknowledged; of a scheduled one, the job's. */
  id?: string;
  /** Whether it was told to be cancelled. */
  cancelled?: boolean;
  /** Whether it may have been taken more than once: it was sent again, and nothing says that both are one. */
  repeated?: boolean;
}

export interface Load {
  readonly sent: readonly Marked[];
  /** Answers that nobody should get, whatever is broken. */
  readonly odd: readonly string[];
  /** How many were acknowledged so far. */
  readonly acknowledged: number;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/** Mails a second. */
export const rates = { api: 20, smtp: 8, schedule: 3 };

export function startLoad(fleet: Fleet, random: Random, seed: number): Load {
  const sent: Marked[] = [];
  const odd: string[] = [];
  const client = makeClient(random, odd);
  let acknowledged = 0;
  const apis: readonly [System, System] = [fleet.processes.api1, fleet.processes.api2];
  const took = (mail: Marked, id: string) => {
    mail.id = id;
    acknowledged++;
  };
  const request = (path: string, { method = "POST", key, body }: { method?: string; key?: string; body?: object }) => ({
    url: random.pick(apis).url + path,
    init: {
      method,
      headers: {
        authorization: `Bearer ${fleet.token}`,
        "content-type": "application/json",
        ...(key !== undefined && { "idempotency-key": key }),
      },
      ...(body && { body: JSON.stringify(body) }),
    },
  });

  /** Asks again, with the same key, so that one mail comes of it, whatever got lost. */
  async function byApi(mail: Marked, file: Buffer | undefined): Promise<void> {
    const key = randomUUID();
    const body = {
      from: "shop@example.com",
      to: ["guest@example.org"],
      subject: mail.subject,
      body: "It is on its way.",
      ...(file && { attachments: [{ filename: "a.bin", content: file.toString("base64") }] }),
    };
    const cancels = random.percent(3);
    const reply = await client.insist(
      () => request("/api/v1/mail/send", { key, body }),
      ({ status, body: { mail_id: id } }) => status === 200 && typeof id === "string",
      [409], // an earlier try is still under way
    );
    if (!reply) return;
    const id = String(reply.body["mail_id"]);
    took(mail, id);
    if (!cancels) return;
    const reaction = await client.ask(request(`/api/v1/mail/cancel/${id}`, { method: "DELETE" }));
    if (reaction?.status === 200) mail.cancelled = true;
  }

  async function bySchedule(mail: Marked): Promise<void> {
    const body = {
      progcode: "CHAOS",
      sender: "shop@example.com",
      recipients: "guest@example.org",
      subject: mail.subject,
      body: "<p>It is on its way.</p>",
      nextexecutetime: new Date(Date.now() + random.between(0, 5000)).toISOString(),
    };
    const reply = await client.ask(request("/api/schedule/mail", { body }));
    if (reply?.status === 201) took(mail, String(reply.body["id"]));
    else if (reply && !client.isBusy(reply)) odd.push(`schedule: ${reply.status} ${reply.text}`);
  }

  async function bySmtp(mail: Marked, file: Buffer | undefined): Promise<void> {
    const { port } = fleet.processes.smtp.smtp;
    const limits = { connectionTimeout: patienceMs, greetingTimeout: patienceMs, socketTimeout: patienceMs };
    const transport = createTransport({ host: "127.0.0.1", port, tls: { rejectUnauthorized: false }, ...limits });
    try {
      const { response } = await transport.sendMail({
        from: "printer@example.com",
        to: "guest@example.org",
        subject: mail.subject,
        text: "It is on its way.",
        ...(file && { attachments: [{ filename: "a.bin", content: file }] }),
      });
      const id = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/.exec(response)?.[0];
      if (id === undefined) odd.push(`SMTP: ${response}`);
      else took(mail, id);
    } catch (error) {
      // Refused for now, or nobody knows: this client gives up. A definite refusal of such a mail would be wrong.
      const code = (error as { responseCode?: number }).responseCode ?? 0;
      if (code >= 500) odd.push(`SMTP: ${String(error)}`);
    } finally {
      transport.close();
    }
  }

  async function one(by: Marked["by"], count: number): Promise<void> {
    const file = by !== "schedule" && count % 8 === 0 ? randomBytes(random.between(1, 60_000)) : undefined;
    const mail: Marked = {
      subject: `chaos ${seed} ${by} ${count}`,
      by,
      ...(file && { hash: createHash("sha256").update(file).digest("hex") }),
    };
    sent.push(mail);
    if (by === "schedule") return await bySchedule(mail);
    return by === "api" ? await byApi(mail, file) : await bySmtp(mail, file);
  }

  const ways = (Object.entries(rates) as [Marked["by"], number][]).map(([by, perSecond]) =>
    steadily(perSecond, (count) => one(by, count).catch((error: unknown) => void odd.push(`${by}: ${String(error)}`))),
  );
  return {
    sent,
    odd,
    get acknowledged() {
      return acknowledged;
    },
    async stop() {
      await Promise.all(ways.map((way) => way.stop()));
    },
  };
}
