/** Whether the parts that the system stands on answer. */
import type { Context } from "../runtime/context.ts";

export interface HealthReport {
  status: "healthy" | "degraded";
  version: string;
  services: { postgresql: "ok" | "error"; keydb: "ok" | "error"; rabbitmq: "ok" | "error" };
  /** What does not hold for now. */
  message?: string;
}

const withoutKeydb = "KeyDB is away: status comes from PostgreSQL and rate limits are not enforced";

/** Longest wait for a part, in milliseconds. */
const patienceMs = 1000;

/** Asks all parts at once. Never throws, and never takes longer than a second. */
export async function checkHealth(ctx: Pick<Context, "db" | "cache" | "broker" | "version">): Promise<HealthReport> {
  const [postgresql, keydb] = await Promise.all([
    answers(ctx.db.query("SELECT 1").then(() => true)),
    answers(ctx.cache.ping()),
  ]);
  const rabbitmq = ctx.broker.isConnected();
  const word = (ok: boolean) => (ok ? "ok" : "error");
  return {
    status: postgresql && keydb && rabbitmq ? "healthy" : "degraded",
    version: ctx.version,
    services: { postgresql: word(postgresql), keydb: word(keydb), rabbitmq: word(rabbitmq) },
    ...(!keydb && { message: withoutKeydb }),
  };
}

async function answers(question: Promise<boolean>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, patienceMs, false);
  const answer = question.catch(() => false); // Not answering is the answer.
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
