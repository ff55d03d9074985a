/** Members as their API shows them. */
import { Type } from "typebox";
import { Exactly } from "./crm.ts";

export const Text = Type.Union([Type.String(), Type.Null()]);
export const TagOfMember = Exactly({
  id: Type.Integer(),
  name: Type.String(),
  type: Type.Enum(["member", "interaction"]),
});
export const Listed = Exactly({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  first_name: Text,
  last_name: Text,
  email: Text,
  phone: Text,
  tags: Type.Array(TagOfMember),
  created_at: Type.String(),
  last_interaction_at: Text,
});
export const Detail = Exactly({
  id: Type.Integer(),
  line_uid: Text,
  line_display_name: Text,
  line_picture_url: Text,
  first_name: Text,
  last_name: Text,
  gender: Text,
  birthday: Text,
  email: Text,
  phone: Text,
  id_number: Text,
  source: Type.String(),
  accept_marketing: Type.Boolean(),
  notes: Text,
  tags: Type.Array(TagOfMember),
  consumption_summary: Exactly({
    total_amount: Type.Number(),
    total_orders: Type.Integer(),
    average_amount: Type.Number(),
  }),
  created_at: Type.String(),
  last_interaction_at: Text,
});
export const ming = {
  last_name: "王",
  first_name: "小明",
  gender: "male",
  birthday: "1988-05-20",
  email: "wang.ming@email.com",
  phone: "0912-345-678",
  id_number: "A123456789",
  line_uid: "U1234567890abcdef",
  line_display_name: "小明的日常",
  notes: "常預訂商務房型",
};
