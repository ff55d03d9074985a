/** Connections to Microsoft Graph, kept from one request to the next. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { post, type Post, type PostAnswer } from "./http-post.ts";

export interface Graph {
  /** The answer, whatever its status. Throws `PostFailure` when there is none. */
  request(given: Omit<Post, "agent">): Promise<PostAnswer>;
  close(): Promise<void>;
}

/** Milliseconds that an idle connection is kept; a `Keep-Alive` in Graph's answers goes before. */
const idleMs = 10_000;

export function openGraph(): Graph {
  const agents = {
    "http:": new HttpAgent({ keepAlive: true, timeout: idleMs }),
    "https:": new HttpsAgent({ keepAlive: true, timeout: idleMs }),
  };
  return {
    request: (given) => post({ ...given, agent: agents[given.url.protocol === "http:" ? "http:" : "https:"] }),
    async close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}
