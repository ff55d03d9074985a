/** How an API looks on the wire: the shape of its problems, and the envelope around its replies if it has one. */
import { Type, type TSchema } from "typebox";
import type { Problem, ProblemKind } from "./problem.ts";

export interface Style {
  readonly problemContentType: string;
  /** The JSON body that tells a caller of a problem. */
  problem(problem: Problem): unknown;
  readonly problemSchema: TSchema;
  /** The HTTP status of a problem, where this API's users know another than the problem's own. */
  problemStatus?(problem: Pick<ProblemKind, "status" | "code">): number;
  /** Wraps what a handler returned. Without it, a reply is sent as it is. */
  envelope?(data: unknown, status: number): unknown;
  envelopeSchema?(schema: TSchema, status: number): TSchema;
}

/** RFC 9457 problem details: what the runtime's own pages speak, and any function that names no other style. */
export const problemDetails: Style = {
  problemContentType: "application/problem+json",
  problem: ({ status, code, message, details }) => ({
    type: "about:blank",
    title: message,
    status,
    code,
    ...(details && { errors: details }),
  }),
  problemSchema: Type.Object({
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
  }),
};
