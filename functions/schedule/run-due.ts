import { schedule } from "#runtime";
import { catchUp, runAllDue } from "#lib/schedule/run.ts";
import { sealPasswords } from "#lib/schedule/seal.ts";

export default schedule("* * * * *", {
  summary: "Hand over the mail of jobs that are due, and seal passwords that were written in clear",
  // Whatever is left then, the next tick takes.
  timeLimitMs: 10 * 60_000,
}).handle(async (_tick, ctx) => {
  await catchUp(ctx);
  await runAllDue(ctx);
  await sealPasswords(ctx);
});
