/** How the Mail Proxy's API tells of problems: `{success: false, error, message, details?}`. */
import { Type } from "typebox";
import type { Style } from "../runtime/style.ts";

export const proxyStyle: Style = {
  problemContentType: "application/json; charset=utf-8",
  problem: ({ code, message, details }) => ({ success: false, error: code, message, ...(details && { details }) }),
  problemSchema: Type.Object({
    success: Type.Literal(false),
    error: Type.String({ description: "Stable name of what went wrong" }),
    message: Type.String({ description: "One sentence for a person" }),
    details: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
  }),
};
