/** How scheduled mail tells of problems: `{detail: [{loc, msg, type}]}` with 422 for a request's faults, else `{detail}`. */
import { Type } from "typebox";
import type { Detail, RequestPart } from "../../runtime/problem.ts";
import type { Style } from "../../runtime/style.ts";

/** The codes of problems that are faults of the request. */
const unprocessable = new Set(["invalid_request", "invalid_json"]);

export const scheduleStyle: Style = {
  problemContentType: "application/json; charset=utf-8",
  problemStatus: ({ status, code }) => (unprocessable.has(code) ? 422 : status),
  problem({ code, message, details, part = "body" }) {
    if (code === "invalid_json") return { detail: [{ loc: ["body"], msg: message, type: "json_invalid" }] };
    return { detail: details ? details.map((detail) => entry(part, detail)) : message };
  },
  problemSchema: Type.Object({
    detail: Type.Union([
      Type.String({ description: "One sentence for a person" }),
      Type.Array(
        Type.Object({
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()]), {
            description: "Where: body, query or path, and the field",
          }),
          msg: Type.String(),
          type: Type.String({ description: "missing, value_error or json_invalid" }),
        }),
      ),
    ]),
  }),
};

function entry(part: RequestPart, { field, message }: Detail) {
  const names = field === "" ? [] : field.split(/[.[\]]+/).filter((name) => name !== "");
  const loc = [part, ...names.map((name) => (/^\d+$/.test(name) ? Number(name) : name))];
  const msg = field === "" ? message : `${field} ${message}`;
  return { loc, msg, type: message === "is required" ? "missing" : "value_error" };
}
