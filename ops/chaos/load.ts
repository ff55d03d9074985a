/** Marked mail at a steady rate by every way in, and what each was told of it. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createTransport } from "nodemailer";
import type { Answer, System } from "../e2e/system.ts";
import type { Fleet } from "./fleet.ts";
import type { Random } from "../harness/random.ts";

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

/** Clients that wait for an answer at once; who comes then waits his turn, so that no heap of tries grows in an outage. */
const atOnce = 100;
/** Long enough for a client to give up on: a relay that is silent answers never. */
const patienceMs = 10_000;
/** Refusals that say: not now. */
const busy = new Set([429, 503, 504]);

export function startLoad(fleet: Fleet, random: Random, seed: number): Load {
  const sent: Marked[] = [];
  const odd: string[] = [];
  const under = new Set<Promise<void>>();
  const stopping = new AbortController();
  let acknowledged = 0;
  const apis: readonly [System, System] = [fleet.processes.api1, fleet.processes.api2];
  const took = (mail: Marked, id: string) => {
    mail.id = id;
    acknowledged++;
  };

  let open = 0;
  const turn = async () => {
    while (open >= atOnce) await pause(50);
    open++;
  };

  async function call(system: System, path: string, init: { method?: string; key?: string; body?: unknown }) {
    const { method = "POST", key, body } = init;
    const headers = {
      authorization: `Bearer ${fleet.token}`,
      "content-type": "application/json",
      ...(key !== undefined && { "idempotency-key": key }),
    };
    await turn();
    try {
      return await fetchWithin(`${system.url}${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } finally {
      open--;
    }
  }

  /** Asks again, with the same key, until it has an answer: so that one mail comes of it, whatever got lost. */
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
    for (let tries = 0; tries < 200; tries++) {
      const answer = await call(random.pick(apis), "/api/v1/mail/send", { key, body }).catch(() => undefined);
      const id = answer?.body["mail_id"];
      if (answer?.status === 200 && typeof id === "string") {
        took(mail, id);
        if (cancels) await cancel(mail, id);
        return;
      }
      if (answer && !busy.has(answer.status) && answer.status !== 409)
        odd.push(`send: ${answer.status} ${answer.text}`);
      await pause(random.between(500, 5000));
    }
  }

  async function cancel(mail: Marked, id: string): Promise<void> {
    const path = `/api/v1/mail/cancel/${id}`;
    const answer = await call(random.pick(apis), path, { method: "DELETE" }).catch(() => undefined);
    if (answer?.status === 200) mail.cancelled = true;
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
    const answer = await call(random.pick(apis), "/api/schedule/mail", { body }).catch(() => undefined);
    if (answer?.status === 201) took(mail, String(answer.body["id"]));
    else if (answer && !busy.has(answer.status)) odd.push(`schedule: ${answer.status} ${answer.text}`);
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

  function one(by: Marked["by"], count: number): Promise<void> {
    const file = by !== "schedule" && count % 8 === 0 ? randomBytes(random.between(1, 200_000)) : undefined;
    const mail: Marked = {
      subject: `chaos ${seed} ${by} ${count}`,
      by,
      ...(file && { hash: createHash("sha256").update(file).digest("hex") }),
    };
    sent.push(mail);
    if (by === "schedule") return bySchedule(mail);
    return by === "api" ? byApi(mail, file) : bySmtp(mail, file);
  }

  async function steadily(by: Marked["by"], perSecond: number): Promise<void> {
    const from = performance.now();
    for (let count = 0; !stopping.signal.aborted; count++) {
      const done = one(by, count).catch((error: unknown) => void odd.push(`${by}: ${String(error)}`));
      under.add(done);
      void done.finally(() => under.delete(done));
      const wait = from + ((count + 1) * 1000) / perSecond - performance.now();
      await pause(Math.max(0, wait), undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const ways = Promise.all(
    (Object.entries(rates) as [Marked["by"], number][]).map(([by, perSecond]) => steadily(by, perSecond)),
  );
  return {
    sent,
    odd,
    get acknowledged() {
      return acknowledged;
    },
    async stop() {
      stopping.abort();
      await ways;
      await Promise.all(under);
    },
  };
}

async function fetchWithin(url: string, init: RequestInit): Promise<Pick<Answer, "status" | "text" | "body">> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) });
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, text, body: typeof body === "object" && body !== null ? { ...body } : {} };
}
