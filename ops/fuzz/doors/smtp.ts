/** The port where mail is taken. */
import type { System } from "../../e2e/system.ts";
import type { Random } from "../../harness/random.ts";
import type { Findings } from "../findings.ts";
import { converse, faultOf, makeSession } from "../smtp.ts";

export interface SmtpFuzz {
  system: System;
  random: Random;
  count: number;
  findings: Findings;
  tell(line: string): void;
}

const atOnce = 16;

export async function fuzzSmtp({ system, random, count, findings, tell }: SmtpFuzz): Promise<void> {
  tell(`${count} SMTP sessions …`);
  let begun = 0;
  let accepted = 0;
  const one = async () => {
    while (begun < count) {
      begun++;
      if (begun % Math.ceil(count / 10) === 0) tell(`${begun} sessions`);
      const session = makeSession(random);
      const { text, overdue } = await converse(system.smtp.port, session);
      if (/queued as/.test(text)) accepted++;
      if (overdue) findings.add("no end", session.what, session.bytes);
      if (!text.startsWith("220") && !text.startsWith("4"))
        findings.add("no greeting", text.slice(0, 100), session.bytes);
      const fault = faultOf(text);
      if (fault !== undefined) findings.add("no answer of SMTP", fault.slice(0, 100), session.bytes);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  tell(`${accepted} mails were taken`);
}
