// Reads what the page's address asks for. A web component's address is its `src`; where that asks for nothing, the
// address of the page around it counts. Values go to the server as text, and nothing is scored.
const widget = element.closest("gradio-app");
const embedded = Boolean(widget) && widget.getAttribute("embed") !== "false";
const page = new URLSearchParams(location.search);
const own = embedded ? new URL(widget.getAttribute("src") || "", location.href).searchParams : page;
const compact = own.get("compact") ?? (embedded ? "1" : "0");
if (compact === "1") element.closest(".gradio-container").dataset.compact = "";
const keys = ["caption", "model", "collection", "like"];
const asked = keys.some((key) => own.has(key)) ? own : page;
if (keys.some((key) => asked.has(key)))
  trigger("submit", Object.fromEntries(keys.map((key) => [key, asked.get(key)])));
