// Says whether there is little room (the style sheet of a widget can have no media query of its own), brings the answer
// into view once it is asked for, and says where a table goes on.
const page = element.closest(".gradio-container");
const answer = page.querySelector("#answer");
const tabs = page.querySelector("#tabs");
new ResizeObserver(() => tabs.toggleAttribute("data-narrow", page.clientWidth < 640)).observe(page);

// What somebody waited is more than what a server measures: it begins with the click.
const status = page.querySelector("#status"), progress = page.querySelector("#progress");
let clicked = 0, clock = 0, busy = false;
const waited = (digits) => `${((performance.now() - clicked) / 1000).toFixed(digits)} s`;
const begin = () => {
  clicked = performance.now();
  clearInterval(clock);
  clock = setInterval(() => { progress.dataset.waited = waited(0); }, 500);
};
const end = () => {
  const seconds = status.querySelector(".cs-seconds");
  if (seconds && clicked && !page.querySelector(".cs-fault")) seconds.textContent = waited(2);
  clearInterval(clock);
  clicked = 0;
  delete progress.dataset.waited;
};
new MutationObserver(() => {
  const was = busy;
  busy = Boolean(progress.querySelector(".wrap:not(.hide)"));
  page.toggleAttribute("data-busy", busy);
  if (was && !busy) end();
}).observe(progress, { subtree: true, childList: true, attributeFilter: ["class"] });

const show = () => {
  begin();
  const { top } = answer.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) answer.scrollIntoView({ behavior: "smooth", block: "start" });
};
page.addEventListener("click", (event) => {
  if (event.target.closest("#score, [data-example], [data-like]")) show();
});
page.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.closest("#caption")) show();
});

// Says where a table has more columns to the right than there is room for.
const measure = () => {
  for (const one of page.querySelectorAll(".cs-scroll"))
    one.toggleAttribute("data-more", one.scrollWidth - one.clientWidth - one.scrollLeft > 4);
};
page.addEventListener("scroll", measure, true);
new ResizeObserver(measure).observe(page.querySelector("#details"));
