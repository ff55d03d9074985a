/** The log: JSON lines with `time`, `level` and `msg`, or lines for people at a terminal. */
import { pino } from "pino";
import type { Logger } from "../context.ts";
import { prettyStream } from "./pretty.ts";

export interface LogOptions {
  level: string;
  pretty: boolean;
  to: "stdout" | "stderr";
}

export function createLog({ level, pretty, to }: LogOptions): Logger {
  const destination = pretty ? prettyStream(process[to]) : pino.destination(to === "stdout" ? 1 : 2);
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    destination,
  );
}

/** How many causes of an error are followed. */
const deepest = 5;

const address = /[^\s<>()[\]"'`,;:/=@]+@(?=[\w-]+\.)/g;

/**
 * Leaves two letters of each address in a text, and its domain. Nothing logs an address by itself; but a relay's or a
 * library's words on what went wrong may quote one.
 */
export function withoutAddresses(text: string): string {
  return text.includes("@") ? text.replaceAll(address, (local) => `${local.slice(0, -1).slice(0, 2)}***@`) : text;
}

/**
 * What is logged of an error: name, message, code, stack, and the same of its cause. Nothing else of it: libraries hang
 * whole rows, requests and keys on their errors (PostgreSQL's `detail`, axios's `config`). No address in it is legible.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  return {
    type: name,
    message: withoutAddresses(message),
    ...((typeof code === "string" || typeof code === "number") && { code }),
    stack: stack && withoutAddresses(stack),
    ...(cause !== undefined && depth < deepest && { cause: describeError(cause, depth + 1) }),
  };
}
