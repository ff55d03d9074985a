/** How the CRM's API looks: `{code, message, data, timestamp}`, and `{code, message, errors, timestamp}` for problems. */
import { Type, type TSchema } from "typebox";
import type { Style } from "../../runtime/style.ts";

const timestamp = Type.String({ format: "date-time" });

/** The style of a route whose success is told in these words. */
export function crmStyle(message = "success"): Style {
  return {
    problemContentType: "application/json; charset=utf-8",
    problem: (problem) => ({
      code: problem.status,
      message: problem.code === "invalid_request" && problem.details ? "Invalid request parameters" : problem.message,
      errors: problem.details ?? [],
      timestamp: new Date().toISOString(),
    }),
    problemSchema: Type.Object({
      code: Type.Integer({ description: "The HTTP status" }),
      message: Type.String({ description: "One sentence for a person" }),
      errors: Type.Array(Type.Object({ field: Type.String(), message: Type.String() })),
      timestamp,
    }),
    envelope: (data, status) => ({ code: status, message, data, timestamp: new Date().toISOString() }),
    envelopeSchema: (data: TSchema, status: number) =>
      Type.Object({ code: Type.Literal(status), message: Type.String(), data, timestamp }),
  };
}
