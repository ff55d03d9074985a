/** What may be said of a member. */
import { Type } from "typebox";
import { genders } from "#lib/crm/values.ts";
import { LongText, PlainText } from "#lib/plain-text.ts";
import { Day, OrNull } from "../_api.ts";

export const Notes = LongText({ maxLength: 10_000 });

const line = (maxLength: number, description: string) =>
  Type.Optional(OrNull(PlainText({ maxLength }), { description }));

/** All of it may be left out; null says that there is none. */
export const MemberSettings = Type.Object({
  email: line(100, "user@example.com"),
  phone: line(20, "National, or international with +"),
  first_name: line(50, "Given name"),
  last_name: line(50, "Family name"),
  gender: Type.Optional(OrNull(Type.Enum([...genders]))),
  birthday: Type.Optional(OrNull(Day)),
  id_number: line(50, "Of an identity card or passport; kept sealed"),
  line_uid: line(100, "LINE's id of him"),
  line_display_name: line(100, "His name at LINE"),
  line_picture_url: Type.Optional(OrNull(PlainText({ maxLength: 500, pattern: String.raw`^https?://\S+$` }))),
  accept_marketing: Type.Optional(Type.Boolean({ description: "Whether campaigns may reach him; true unless told" })),
  notes: Type.Optional(OrNull(Notes)),
});
