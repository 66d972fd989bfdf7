// The typed API. The token is in memory only: it ends with the page.

const AT_ONCE = 4; // requests to the gateway; a tenant has a share of it
const MOST_SECONDS_TO_WAIT = 30;
const waiting = [];
let running = 0;
let bearer = null;
let tenant = null;

/** A request that was not answered: `status` is 0 where nothing answered at all. */
export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export function signIn(token, ofTenant) {
  bearer = token;
  tenant = ofTenant;
}

export function signOut() {
  bearer = null;
  tenant = null;
}

export const signedIn = () => bearer !== null;

/** Return the JSON of a path below /api/v1. Throws ApiError. */
export async function get(path, parameters, signal) {
  await turn();
  try {
    return await ask(path, parameters, signal);
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

async function turn() {
  if (running >= AT_ONCE) await new Promise((go) => waiting.push(go));
  running += 1;
}

/** Ask, and ask again where the gateway says when: a page with many charts may meet its tenant's limit. */
async function ask(path, parameters, signal) {
  let answer = await send(path, parameters, signal);
  for (let waited = 0; answer.status === 429 && waited < MOST_SECONDS_TO_WAIT; ) {
    const pause = Math.max(1, Number(answer.headers.get("Retry-After")) || 1);
    waited += pause;
    await new Promise((go) => setTimeout(go, pause * 1000));
    signal?.throwIfAborted();
    answer = await send(path, parameters, signal);
  }
  if (!answer.ok) throw new ApiError(answer.status, await reason(answer));
  return answer.json();
}

async function send(path, parameters, signal) {
  const query = new URLSearchParams(parameters).toString();
  const headers = { Authorization: `Bearer ${bearer}`, Accept: "application/json" };
  if (tenant) headers["X-Tenant"] = tenant;
  try {
    const address = `/api/v1/${path}${query ? `?${query}` : ""}`;
    return await fetch(address, { headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The service cannot be reached. Check your connection; the page tries again each minute.");
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The service answered with status ${answer.status}.`;
  }
}
