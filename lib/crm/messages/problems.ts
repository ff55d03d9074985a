import { Problem } from "../../../runtime/problem.ts";

/** LINE said no: nobody got it, and nobody will. */
export const lineRefused = Problem.kind(400, "line_refused", "LINE refused the message");
