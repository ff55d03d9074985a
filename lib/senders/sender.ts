/** What every provider looks like from the inside of the house. */
import type { Context } from "../../runtime/context.ts";
import type { Detail } from "../../runtime/problem.ts";
import type { Draft } from "../mail/draft.ts";
import type { OutgoingMail } from "../mail/mail.ts";
import type { ProviderAnswer } from "./classify.ts";

export interface Sender {
  /** Name in the timeline: `sandbox`, `sendgrid`. */
  readonly name: string;
  /**
   * What of a draft the provider would refuse, field by field, so that the client learns it at the request and not
   * hours later. Throws a `Problem` where the refusal has a code of its own, such as `mail_too_large`.
   */
  refusals?(draft: Draft): Detail[];
  /**
   * Hands the mail to the provider once, and returns the answer, or how it failed to get one. Throws only before
   * anything has been sent: the attempt is then known not to have happened.
   */
  send(mail: OutgoingMail, ctx: Context): Promise<ProviderAnswer>;
}
