/** Checks values that a contract lets through as they are, such as parts of a list that are taken or refused one by one. */
import type { Static, TSchema } from "typebox";
import { Problem } from "./problem.ts";
import { compile } from "./web/validate.ts";

/**
 * Makes a function that returns a value that fits the schema, typed, or the `invalid_request` that it deserves. Compiles
 * the schema: once for a function file, not for a call.
 */
export function checked<S extends TSchema>(schema: S): (value: unknown) => Static<S> | Problem {
  const checker = compile(schema);
  return (value) => {
    try {
      checker.check(value);
      return value as Static<S>;
    } catch (error) {
      if (error instanceof Problem) return error;
      throw error;
    }
  };
}
