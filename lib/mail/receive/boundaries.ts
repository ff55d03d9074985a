/** Where parts of a message begin and end, in what mailparser's splitter does not see. */

/** A part, as the splitter has it. */
export interface SplitNode {
  multipart: string | false;
  contentType: string | false;
  encoding: string | false;
  filename: string | false;
  flowed: boolean;
  delSp: boolean;
  headers: unknown;
  parentNode: SplitNode | false;
  getDecoder: () => unknown;
  addHeaderChunk(lines: Buffer): void;
  parseHeaders(): void;
  _headerlen: number;
  _headersLines: Buffer[];
  _boundary: Buffer | false;
  _parentBoundary: Buffer | false;
  _parentBoundaryOwner: SplitNode | false;
}

/** How far out is looked: nobody nests as deep, and a line that looks like a boundary is compared with each of them. */
const mostLevels = 16;

/** What a line says: the next child, the end of the children, the next sibling, the end of the parent; or nothing. */
type Boundary = 1 | 2 | 3 | 4 | false;

/** What a line is: a part whose head it ends, content of a part, or a boundary and what stands around parts. */
export type SplitChunk = (SplitNode & { type: "node" }) | { type: "body" | "data"; node: SplitNode; value: Buffer };

export interface Splitter {
  node: SplitNode;
  /** 1 in the head of a part, 2 in its body. */
  state: number;
  readonly inEpilogue: boolean;
  checkBoundary(line: Buffer): Boundary;
  /** Returns the error of a head that is too long, with so many bytes more. */
  checkHeadSize(more: number): Error | null;
  processLine(line: Buffer, isLast: boolean, next: (error: Error | null, chunk?: SplitChunk | false) => void): void;
  push(node: SplitNode): boolean;
}

/**
 * Lets a splitter see boundaries with blanks after them (RFC 2046, section 5.1.1), and those of outer parts inside an
 * inner one that was not closed (section 5.1.2). A part that ends before its head does is a part as well.
 */
export function widenBoundaries(splitter: Splitter): void {
  const check = splitter.checkBoundary.bind(splitter);
  splitter.checkBoundary = (line) => {
    if (!looksLikeOne(line)) return false;
    const plain = withoutBlanks(line);
    const inner = splitter.node;
    const found = check(plain);
    // The end of the parent is the one case in which the splitter thinks of the head.
    if (found && found !== 4) endHead(inner);
    if (found) return found;
    const outer = checkOuter(plain);
    if (outer) endHead(inner);
    return outer;
  };

  /** Closes what is open up to the part whose boundary this is. */
  function checkOuter(line: Buffer): Boundary {
    const inner = splitter.node;
    let node = outerOf(inner);
    for (let level = 0; node && level < mostLevels; level++, node = outerOf(node)) {
      splitter.node = node;
      const found = check(line);
      if (found === 3 || found === 4) return found;
    }
    splitter.node = inner;
    return false;
  }

  function endHead(node: SplitNode): void {
    if (node["_headerlen"] === 0 || node.headers) return;
    node.parseHeaders();
    splitter.push(node);
  }
}

/** How those lines begin that may say something to such a splitter, in the part that it is in: each once. */
export function delimitersOf(part: SplitNode): Buffer[] {
  const found = new Map<string, Buffer>();
  const add = (boundary: Buffer | false) => {
    if (!boundary) return;
    const delimiter = Buffer.concat([hyphens, boundary]);
    found.set(delimiter.toString("latin1"), delimiter);
  };
  add(part["_boundary"]);
  let node: SplitNode | false = part;
  for (let level = 0; node && level <= mostLevels; level++, node = outerOf(node)) add(node["_parentBoundary"]);
  return [...found.values()];
}

const hyphens = Buffer.from("--");

function outerOf(node: SplitNode): SplitNode | false {
  return node["_parentBoundaryOwner"];
}

/** A line, perhaps with the end of the one before it. */
function looksLikeOne(line: Buffer): boolean {
  const start = line[0] === 13 && line[1] === 10 ? 2 : line[0] === 10 || line[0] === 13 ? 1 : 0;
  return line[start] === 45 && line[start + 1] === 45;
}

function withoutBlanks(line: Buffer): Buffer {
  let end = line.length;
  if (line[end - 1] === 10) end--;
  if (line[end - 1] === 13) end--;
  let kept = end;
  while (line[kept - 1] === 32 || line[kept - 1] === 9) kept--;
  return kept === end ? line : Buffer.concat([line.subarray(0, kept), line.subarray(end)]);
}
