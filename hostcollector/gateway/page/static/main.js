// Sign-in, and which view is shown. The address after # says what: #/ is the list, #/vm/ID?... is one VM,
// #/usage?... is the usage of a month.

import { ApiError, signIn, signOut, signedIn } from "./api.js";
import { element } from "./dom.js";
import { age, moment } from "./format.js";
import { showList } from "./list.js";
import { showUsage } from "./usage.js";
import { showVm } from "./vm.js";

const REFRESH_MILLISECONDS = 60000;
const view = document.getElementById("view");
const message = document.getElementById("message");
const freshness = document.getElementById("freshness");
const views = document.getElementById("views");
const out = document.getElementById("sign-out");
let showing = new AbortController();

/** Take a token that a console hands over as #token=..., and remove it from the address at once. */
function takeToken() {
  if (!location.hash.startsWith("#token=")) return;
  const given = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  signIn(given.get("token"), given.get("tenant"));
}

function askForToken(sentence) {
  signOut();
  out.hidden = views.hidden = true;
  freshness.textContent = "";
  message.textContent = sentence;
  const token = element("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = element(
    "form",
    { class: "sign-in", onsubmit: (event) => { event.preventDefault(); signIn(token.value.trim(), null); show(); } },
    element("h2", {}, "Sign in"),
    element("p", {}, "Paste an API token of your account. It stays in this page's memory and is gone when you close it."),
    element("label", { for: "token" }, "API token"),
    token,
    element("button", { type: "submit" }, "Sign in"),
  );
  view.replaceChildren(form);
  token.focus();
}

/** Show the view of the address; a view that is being fetched is given up. */
async function show({ quiet = false } = {}) {
  showing.abort();
  showing = new AbortController();
  const { signal } = showing;
  if (!signedIn()) return askForToken(message.textContent);
  out.hidden = views.hidden = false;
  try {
    const made = await viewOf(location.hash, signal);
    if (signal.aborted) return;
    message.textContent = "";
    view.replaceChildren(...made.nodes);
    made.afterwards?.();
    document.title = made.title;
    freshness.textContent = made.until ? `${made.what ?? "Data"} until ${moment(made.until)}, ${age(made.until)} ago` : "No data yet";
    if (!quiet) document.getElementById("main").focus({ preventScroll: true });
  } catch (error) {
    if (signal.aborted) return;
    complain(error);
  }
}

function viewOf(address, signal) {
  const [, vm, query] = address.match(/^#\/vm\/([0-9a-f-]+)(?:\?(.*))?$/) ?? [];
  if (vm) return showVm(vm, new URLSearchParams(query), signal);
  const [usage, wanted] = address.match(/^#\/usage(?:\?(.*))?$/) ?? [];
  return usage ? showUsage(new URLSearchParams(wanted), signal) : showList(signal);
}

/** Say what is wrong. Charts go: an old one would look like the present. */
function complain(error) {
  if (error instanceof ApiError && error.status === 401) {
    return askForToken(`You are signed out: ${error.message}`);
  }
  view.replaceChildren();
  freshness.textContent = "";
  message.textContent = error instanceof ApiError ? error.message : "The page failed. Reload it; if that does not help, report this.";
  if (!(error instanceof ApiError)) console.error(error);
}

out.addEventListener("click", () => { message.textContent = ""; askForToken(""); history.replaceState(null, "", location.pathname); });
addEventListener("hashchange", () => { takeToken(); show(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show({ quiet: true }));
setInterval(() => { if (signedIn() && document.visibilityState === "visible") show({ quiet: true }); }, REFRESH_MILLISECONDS);
takeToken();
show();
