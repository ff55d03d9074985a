/** The ports where mail is taken. */
import { mailClient } from "../people.ts";
import { Pace } from "../pace.ts";
import { converse, faultOf, makeSession } from "../smtp.ts";
import type { Done, Trial } from "./door.ts";

const atOnce = 64;

export async function fuzzSmtp(trial: Trial): Promise<Done> {
  const { house, known, patience, random, limits, findings } = trial;
  const { system } = house;
  const signIn = await mailClient(house);
  let accepted = 0;
  const codes: Record<string, number> = {};
  const pace = new Pace("SMTP sessions", limits, trial);
  const done = await pace.run(atOnce, async (index) => {
    const session = makeSession(signIn, random.fork(`session ${index}`));
    const { text, overdue } = await converse(system.smtp, session, patience);
    for (const [, id = ""] of text.matchAll(/queued as ([\da-f-]{36})/g)) {
      accepted++;
      known.add("mail", id);
    }
    for (const [, code = ""] of text.matchAll(/^(\d{3}) /gm)) codes[code] = (codes[code] ?? 0) + 1;
    if (overdue) findings.add("no end", session.what, { input: session.bytes, said: text.slice(-300) });
    const isGreeted = text.startsWith("220") || text.startsWith("4");
    if (!isGreeted) findings.add("no greeting", text.slice(0, 100), { input: session.bytes });
    const fault = faultOf(text);
    if (fault !== undefined) findings.add("no answer of SMTP", fault.slice(0, 100), { input: session.bytes });
  });
  return { ...done, figures: { "mails taken": accepted, ...codes } };
}
