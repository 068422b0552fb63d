// "More like this" searches in place; opened in a new tab, it is an address. What is found is brought into view, and what
// was clicked is gone then, so that the keyboard goes on from the new answer.
const page = element.closest(".gradio-container");
const found = page.querySelector("#found"), status = page.querySelector("#search-status");
status.setAttribute("role", "status");
status.tabIndex = -1;
let gone = false;
const show = (leaves) => {
  gone = leaves;
  const { top } = found.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) found.scrollIntoView({ behavior: "smooth", block: "start" });
};
element.addEventListener("click", (event) => {
  const link = event.target.closest("[data-like]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(true);
  trigger("click", { ...link.dataset });
});
new MutationObserver(() => {
  if (gone) status.focus({ preventScroll: true });
  gone = false;
}).observe(element, { subtree: true, childList: true });
page.addEventListener("click", (event) => { if (event.target.closest("#search")) show(false); });
page.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.closest("#search-caption")) show(false);
});
