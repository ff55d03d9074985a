/** What V8 has for the objects of this process. */
import { getHeapStatistics } from "node:v8";

/** Most that its heap may take, in bytes: what `--max-old-space-size` says, and the young generation beside it. */
export const heapLimit = getHeapStatistics().heap_size_limit;
