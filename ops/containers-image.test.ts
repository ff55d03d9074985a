/** The image: what gets into it is enough to run, and nothing that has no business there. Docker itself is not needed. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { dirname, join, matchesGlob } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import manifest from "../package.json" with { type: "json" };
import { project } from "./e2e/fn.ts";
import { startSystem, stopAll } from "./e2e/system.ts";
import { ownFolder } from "./harness/process.ts";
import { emptyDatabase } from "./harness/test.ts";

const run = promisify(execFile);
const story = suite("the image");
const dockerfile = await readFile(join(project, "Dockerfile.runtime"), "utf8");
let root = "";

story.before(async () => {
  root = await image();
});
story.after(stopAll);

/** The rules of .dockerignore, of which the last that fits counts. */
async function isSent(): Promise<(path: string) => boolean> {
  const text = await readFile(join(project, ".dockerignore"), "utf8");
  const rules = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const fits = (path: string, pattern: string) =>
    pattern === "*" ||
    path.split("/").some((_part, depth, parts) => matchesGlob(parts.slice(0, depth + 1).join("/"), pattern));
  return (path) =>
    rules.reduce((sent, rule) => (fits(path, rule.replace("!", "")) ? rule.startsWith("!") : sent), true);
}

async function sentFiles(): Promise<string[]> {
  const sent = await isSent();
  const { stdout } = await run("git", ["ls-files", "-co", "--exclude=node_modules"], { cwd: project, maxBuffer: 1e8 });
  return stdout.split("\n").filter((path) => path !== "" && sent(path));
}

/** A folder with what the image has under /app. */
async function image(): Promise<string> {
  const folder = join(ownFolder("image"), "app");
  for (const path of await sentFiles()) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(project, path), join(folder, path));
  }
  const { packages }: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    await readFile(join(project, "package-lock.json"), "utf8"),
  );
  const [, left = ""] = /&& rm -rf (.*)/.exec(dockerfile) ?? [];
  const removed = left.split(" ");
  for (const [path, { dev }] of Object.entries(packages)) {
    const isOwn = /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && dev !== true;
    if (!isOwn || removed.some((gone) => path === gone || path.startsWith(`${gone}/`))) continue;
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await symlink(join(project, path), join(folder, path));
  }
  return folder;
}

story("it is built on the version of Node that the project pins, for its build as for its run", () => {
  assert.match(dockerfile, `ARG NODE_VERSION=${manifest.dependencies.node}\n`);
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  assert.equal(bases, Array(2).fill("node:${NODE_VERSION}-bookworm-slim"));
});

story("it runs as nobody special, Node hears the signals, and whether it lives is asked", () => {
  const last = dockerfile.slice(dockerfile.lastIndexOf("FROM "));
  assert.match(last, /^USER node$/m);
  assert.match(last, /^STOPSIGNAL SIGTERM$/m);
  assert.match(last, /^ENTRYPOINT \["node", "\/app\/runtime\/cli\/main\.mjs"\]$/m);
  assert.match(last, /^CMD \["start"\]$/m);
  assert.match(last, /^HEALTHCHECK .* CMD \["\/app\/ops\/container\/live\.sh"\]$/m);
  assert.match(last, /^VOLUME \/data$/m);
  assert.match(last, `org.opencontainers.image.licenses="${manifest.license}"`);
  assert.match(last, `ARG VERSION=${manifest.version}\n`);
  assert.not.match(dockerfile, /^ADD |:latest|curl .*\| *sh/m);
});

story("nothing gets in but what runs", async () => {
  const files = await sentFiles();
  const tops = new Set(files.map((path) => path.split("/")[0]));
  const wanted = [".npmrc", "LICENSE", "functions", "lib", "ops", "package-lock.json", "package.json", "runtime"];
  assert.equal([...tops].toSorted(), [...wanted, "runtime.config.ts", "sql", "tsconfig.json"]);
  assert.equal(
    files.filter((path) => path.startsWith("ops/")),
    ["ops/container/live.sh"],
  );
  assert.equal(
    files.filter((path) => path.endsWith(".test.ts")),
    [],
  );
  const sent = await isSent();
  for (const path of [".env", "secrets/tls", ".data/admin-token", ".git/config", "lib/node_modules/x/index.js"]) {
    assert.is(sent(path), false, path);
  }
});

story("with that and the packages that it keeps, it starts, lives, takes mail and stops", async () => {
  const env = {
    APP_ENV: "production",
    NODE_ENV: "production",
    NODE_OPTIONS: /--max-old-space-size=\d+/.exec(dockerfile)?.[0] ?? "",
    DATABASE_URL: await emptyDatabase(),
    JWT_SECRET: randomUUID(),
    MAIL_SENDER: "sandbox",
  };
  const system = await startSystem({ root, env });
  const live = join(root, "ops/container/live.sh");
  const asked = { env: { API_PORT: String(system.port) } };
  await run(live, [], asked);
  assert.is((await system.settled(await system.accept())).status, "sent");
  assert.equal(await system.stop(), { code: 0, signal: null });
  assert.is(
    await run(live, [], asked).then(
      () => "lives",
      () => "is dead",
    ),
    "is dead",
  );
});

story.run();
