/** CPU profiles: what is written, and what it says in short. */
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { results, root, type Profile } from "./app.ts";
import type { Plan } from "./measure.ts";

const profiles: Profile[] = [];

/** The profile that a process is to write, or undefined when none is asked for. */
export function profiled({ profile }: Plan, process: string): Profile | undefined {
  if (!profile) return undefined;
  const made = { file: `${process}.cpuprofile`, from: 0 };
  profiles.push(made);
  return made;
}

/** What V8 writes, as far as it is read here. Times in microseconds. */
interface CpuProfile {
  nodes: Node[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  children?: number[];
}

/** Of each profile: where the time went since the process served, and which of our own functions, with all they call, it went through. */
export async function summaries(): Promise<string> {
  return (await Promise.all(profiles.map(summary))).join("\n\n");
}

async function summary({ file, from }: Profile): Promise<string> {
  const path = join(results, file);
  const profile = JSON.parse(await readFile(path, "utf8")) as CpuProfile;
  const { own, total } = ownTimes(profile, from);
  const top = (title: string, shares: ReadonlyMap<string, number>, count: number) =>
    [...shares]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, count)
      .reduce(
        (text, [name, spent]) => `${text}\n  ${((100 * spent) / total).toFixed(1).padStart(5)} %  ${name}`,
        title,
      );
  const by = (nameOf: (node: Node) => string) => {
    const shares = new Map<string, number>();
    for (const node of profile.nodes) add(shares, nameOf(node), own.get(node.id) ?? 0);
    return shares;
  };
  return [
    `${relative(root, path)}: ${(total / 1e6).toFixed(1)} s busy`,
    top("By package", by(packageOf), 12),
    top("Functions alone", by(label), 20),
    top("Ours, with all they call", through(profile, own), 35),
  ].join("\n\n");
}

/** Time of each node without what it calls. Idling is no work, and neither is what came before `from`. */
function ownTimes(profile: CpuProfile, from: number): { own: Map<number, number>; total: number } {
  const idle = profile.nodes.find(({ callFrame }) => callFrame.functionName === "(idle)")?.id;
  const own = new Map<number, number>();
  let at = profile.startTime;
  let total = 0;
  profile.samples.forEach((id, index) => {
    const spent = profile.timeDeltas[index] ?? 0;
    at += spent;
    if (id === idle || at < from) return;
    add(own, id, spent);
    total += spent;
  });
  return { own, total };
}

/** Time of each of our functions with everything that it calls; recursion counts once. */
function through({ nodes }: CpuProfile, own: ReadonlyMap<number, number>): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const shares = new Map<string, number>();
  const walk = (node: Node, above: ReadonlySet<string>): number => {
    const name = label(node);
    let sum = own.get(node.id) ?? 0;
    const path = new Set([...above, name]);
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child) sum += walk(child, path);
    }
    if (!above.has(name) && isOurs(node)) add(shares, name, sum);
    return sum;
  };
  const [top] = nodes;
  if (top) walk(top, new Set());
  return shares;
}

function label(node: Node): string {
  const { functionName, url, lineNumber } = node.callFrame;
  const name = functionName || "(anonymous)";
  return url === "" ? name : `${name} ${placeOf(url)}:${lineNumber + 1}`;
}

/** A path in the project; a function's bundle has its name, which starts with the function's hash. */
function placeOf(url: string): string {
  if (!url.startsWith("file:") && !url.startsWith("/")) return url;
  const path = relative(root, url.startsWith("/") ? url : fileURLToPath(url));
  return path.replace(/^.*\/fn-\w+\//, "function ");
}

const isOurs = ({ callFrame: { url } }: Node): boolean =>
  url !== "" && !url.startsWith("node:") && !url.startsWith("wasm:") && !url.includes("/node_modules/");

function packageOf(node: Node): string {
  const { functionName, url } = node.callFrame;
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)";
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? placeOf(url);
}

function add<K>(shares: Map<K, number>, name: K, spent: number): void {
  shares.set(name, (shares.get(name) ?? 0) + spent);
}
