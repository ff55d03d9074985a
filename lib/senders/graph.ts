/** Microsoft Graph: mail of the organisation, as its sender's mailbox. */
import type { Context } from "../../runtime/context.ts";
import type { Detail } from "../../runtime/problem.ts";
import type { Draft } from "../mail/draft.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import { mailTooLarge } from "../mail/problems.ts";
import { PostFailure } from "../resources/http-post.ts";
import type { Held } from "../resources/mailbox-limits.ts";
import type { GraphAccount } from "./account.ts";
import { classify, type ProviderAnswer } from "./classify.ts";
import { compose, draftMail, wholeMail, type Composition } from "./graph/compose.ts";
import { Ended, notSent, openSession, outOfTime, type GraphRequest, type GraphSession } from "./graph/session.ts";
import { attach } from "./graph/upload.ts";
import type { Sender } from "./sender.ts";

/** Largest body in JSON: what Graph takes of a draft, less room for 1,000 recipients. Files follow it by themselves. */
const largestBody = 3_000_000;
/** https://learn.microsoft.com/graph/outlook-large-attachments */
const largestFile = 150 * 2 ** 20;

/** The sender of one mailbox. Its application needs Mail.Send and, for mail of more than 4 MB, Mail.ReadWrite. */
export function graph(account: GraphAccount): Sender {
  return {
    name: "graph",
    refusals,
    async send(mail, ctx) {
      try {
        return await send(mail, ctx, account);
      } catch (error) {
        if (error instanceof Ended) return error.answer;
        throw error;
      }
    },
  };
}

/** Of the body it is html that goes in JSON, where there is any. Throws `mail_too_large`. */
function refusals({ text = "", html = text, attachments }: Draft): Detail[] {
  const tooLarge = (field: string, message: string) => mailTooLarge({ details: [{ field, message }] });
  // No character takes more than six bytes.
  if (6 * html.length > largestBody && Buffer.byteLength(JSON.stringify(html)) > largestBody) {
    throw tooLarge(html === text ? "body" : "html", `must have less than ${largestBody} bytes for Microsoft Graph`);
  }
  const index = attachments.findIndex(({ content }) => content.sizeBytes > largestFile);
  if (index < 0) return [];
  throw tooLarge(`attachments[${index}].content`, `must have at most ${largestFile} bytes for Microsoft Graph`);
}

async function send(mail: OutgoingMail, ctx: Context, account: GraphAccount): Promise<ProviderAnswer> {
  const session = await openSession(ctx, account);
  const { signal } = ctx;
  const place = await inTime(signal, ctx.mailboxes.enter(account.mailbox.toLowerCase(), mail.id, signal));
  if (place.kind === "held") return held(place);
  const depart = async (request: GraphRequest): Promise<ProviderAnswer> => {
    const wait = await inTime(signal, place.depart(signal));
    return wait ? held(wait) : session.hand(request);
  };
  try {
    const composition = await compose(mail, ctx);
    const whole = await wholeMail(composition, ctx);
    if (whole) return await depart(whole);
    const draft = await makeDraft(session, composition);
    // It stays where the mail may have been sent: a draft that is being sent is the mail.
    let stays = false;
    try {
      for (const file of composition.files) await attach(session, draft, file, signal);
      const answer = await depart({ method: "POST", path: `${draft}/send` });
      const { kind } = classify(answer, ctx.clock.now().getTime());
      stays = kind === "accepted" || kind === "unknown";
      return answer;
    } finally {
      if (!stays) await discard(session, draft);
    }
  } finally {
    await place.leave();
  }
}

/** Returns the draft's path. */
async function makeDraft(session: GraphSession, composition: Composition): Promise<string> {
  const { body } = await session.prepare(await draftMail(composition), [201]);
  const id = typeof body === "object" && body !== null && "id" in body ? body.id : undefined;
  if (typeof id === "string") return `/messages/${encodeURIComponent(id)}`;
  throw notSent("no_draft", "Graph gave the draft no id");
}

/** As far as possible, also when the attempt's time is over: a draft that stays lies in the sender's mailbox. */
async function discard(session: GraphSession, draft: string): Promise<void> {
  try {
    await session.call({ method: "DELETE", path: draft, signal: AbortSignal.timeout(5000) });
  } catch (error) {
    if (!(error instanceof PostFailure || error instanceof Ended)) throw error;
  }
}

/** Waiting that ends with the attempt's time ends the attempt. */
async function inTime<T>(signal: AbortSignal, waiting: Promise<T>): Promise<T> {
  try {
    return await waiting;
  } catch (error) {
    throw signal.aborted ? outOfTime() : error;
  }
}

function held({ delayMs, reason }: Held): ProviderAnswer {
  return { kind: "held", code: "mailbox_limit", delayMs, reason };
}
