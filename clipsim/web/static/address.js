// Reads what the page's address asks for. A web component's address is its `src`; where that asks for nothing, the
// address of the page around it counts. Values go to the server as text; only an example's pictures are
// scored. A page that is asked nothing opens with the first example; a widget is left empty.
const widget = element.closest("gradio-app");
const embedded = Boolean(widget) && widget.getAttribute("embed") !== "false";
const page = new URLSearchParams(location.search);
const own = embedded ? new URL(widget.getAttribute("src") || "", location.href).searchParams : page;
const compact = (own.get("compact") ?? (embedded ? "1" : "0")) === "1";
if (compact) element.closest(".gradio-container").dataset.compact = "";
const keys = ["caption", "model", "framing", "contrast", "prompt", "precision", "opinion"];
keys.push("example", "collection", "like");
const asked = keys.some((key) => own.has(key)) ? own : page;
const something = keys.some((key) => asked.has(key));
const values = Object.fromEntries(keys.map((key) => [key, asked.get(key)]));
trigger("submit", something || compact ? values : { first: true });
