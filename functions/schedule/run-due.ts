import { schedule } from "#runtime";
import { runAllDue } from "#lib/schedule/run.ts";
import { sealPasswords } from "#lib/schedule/seal.ts";

export default schedule("* * * * *", {
  summary: "Hand over the mail of jobs that are due, and seal passwords that were written in clear",
  // Whatever is left then, the next tick takes.
  timeLimitMs: 10 * 60_000,
}).handle(async (_tick, ctx) => {
  await sealPasswords(ctx);
  await runAllDue(ctx);
});
