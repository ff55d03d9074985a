/** Log lines for people at a terminal. Containers get the JSON. */
import { styleText } from "node:util";

const colours = { warn: "yellow", error: "red", fatal: "red" } as const;

/** A destination for pino that writes `12:00:01 warn  message  key=value`. */
export function prettyStream(out: NodeJS.WritableStream): { write(line: string): void } {
  return {
    write(line) {
      out.write(`${pretty(line)}\n`);
    },
  };
}

/** One JSON log line for a person; a line that is not JSON stays as it is. */
export function pretty(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line.trimEnd();
  }
  const { time, level, msg, err, ...rest } = entry;
  const clock = styleText("dim", String(time).slice(11, 19));
  const colour = level === "warn" || level === "error" || level === "fatal" ? colours[level] : "cyan";
  const names = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const stack = typeof err === "object" && err !== null && "stack" in err ? `\n${String(err.stack)}` : "";
  const text = `${clock} ${styleText(colour, String(level).padEnd(5))} ${String(msg)}`;
  return `${text}${names.length > 0 ? styleText("dim", `  ${names.join(" ")}`) : ""}${stack}`;
}
