/** Reads `/metrics` of a process, in Prometheus's text format. */
import { OperatorError } from "../house.ts";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a process told, at one moment. */
export interface Reading {
  readonly address: string;
  /** Milliseconds, by a clock that only goes on. */
  readonly at: number;
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

/** An address that told nothing, and why. */
export interface Away {
  readonly address: string;
  readonly away: string;
}

/** How long a process may take for its answer, in milliseconds. */
const patienceMs = 3000;

/** `8080`, `api:8080` and `https://api.example/` as the address of their metrics. */
export function metricsAddress(given: string): string {
  const full = /^\d+$/.test(given) ? `http://localhost:${given}` : given.includes("://") ? given : `http://${given}`;
  if (!URL.canParse(full)) throw new OperatorError(`"${given}" is no address, such as http://localhost:8080`);
  const url = new URL(full);
  if (!/^https?:$/.test(url.protocol)) throw new OperatorError(`"${given}" must begin with http:// or https://`);
  if (url.pathname === "/") url.pathname = "/metrics";
  return url.href;
}

/** Never throws: an address that does not answer is part of the picture. */
export async function read(address: string): Promise<Reading | Away> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(patienceMs) });
    const text = await answer.text();
    if (!answer.ok) return { address, away: `answers with ${answer.status}` };
    const samples = parse(text);
    if (samples.size === 0) return { address, away: "answers with something else than metrics" };
    return { address, at: performance.now(), samples };
  } catch (error) {
    return { address, away: reason(error) };
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `has not answered within ${patienceMs / 1000} s`;
  const { cause = error } = error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const sentences: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ECONNRESET: "has closed the connection",
    UND_ERR_SOCKET: "has closed the connection",
    ENOTFOUND: "no host has this name",
    EAI_AGAIN: "its name cannot be looked up",
  };
  return sentences[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const escapes: Readonly<Record<string, string>> = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

/** The samples of a page by name. What is no sample is passed over. */
export function parse(text: string): Map<string, Sample[]> {
  const samples = new Map<string, Sample[]>();
  for (const one of text.split("\n")) {
    const [, name, inside = "", value] = line.exec(one) ?? [];
    if (name === undefined) continue;
    const labels: Record<string, string> = {};
    for (const [, key = "", raw = ""] of inside.matchAll(label)) {
      labels[key] = raw.replaceAll(/\\./g, (escape) => escapes[escape] ?? escape);
    }
    const sample = { labels, value: value === "+Inf" ? Infinity : Number(value) };
    const known = samples.get(name);
    if (known) known.push(sample);
    else samples.set(name, [sample]);
  }
  return samples;
}
