/** Lets in what LINE signed, and nobody else. */
import type { Access } from "../../../runtime/access.ts";
import { Problem, problems } from "../../../runtime/problem.ts";
import { isSignedByLine } from "./signature.ts";

export const notSigned = Problem.kind(401, "not_signed", "X-Line-Signature is not that of this body");

/** Without the channel's secret nobody can be believed: 503, so that LINE sends the events again once it is set. */
export const lineSignature: Access<undefined> = {
  name: "signed by LINE",
  problems: [notSigned, problems.unavailable],
  check(request, { config, log }) {
    if (config.line.channelSecret === undefined) {
      log.error("LINE's webhook cannot be taken: set LINE_CHANNEL_SECRET");
      throw problems.unavailable({ message: "The webhook is not configured" });
    }
    if (!request.header("x-line-signature")) throw notSigned();
    return undefined;
  },
  checkBody(body, request, { config }) {
    const { channelSecret = "" } = config.line;
    if (!isSignedByLine(body, request.header("x-line-signature"), channelSecret)) throw notSigned();
  },
};
