/** A member's name and picture, as LINE tells them. */
import type { Context } from "../../../runtime/context.ts";
import { LineUnavailable } from "../../resources/line-reads.ts";
import { clip } from "../templates/text.ts";

/**
 * Asks LINE and writes it down. Never fails, so that no event is handled again for it: what is not known now is asked with
 * the member's next event.
 */
export async function learnProfile(ctx: Context, memberId: number, lineUid: string): Promise<void> {
  try {
    const profile = await ctx.line?.profile(lineUid, ctx.signal);
    if (!profile) return;
    const name = clip(profile.displayName.replaceAll("\u0000", "").toWellFormed(), 100);
    const picture = profile.pictureUrl && profile.pictureUrl.length <= 500 ? profile.pictureUrl : null;
    await ctx.db.query(
      `UPDATE members SET line_display_name = $2, line_picture_url = $3
       WHERE id = $1 AND (line_display_name IS DISTINCT FROM $2 OR line_picture_url IS DISTINCT FROM $3)`,
      [memberId, name, picture],
    );
  } catch (error) {
    if (error instanceof LineUnavailable) ctx.log.warn({ code: error.code }, "LINE did not tell a member's profile");
    else ctx.log.warn({ err: error }, "a member's profile was not written down");
  }
}
