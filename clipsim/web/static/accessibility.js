// Screen readers watch the element that stays while the status in it changes. Controls get names of their own, where
// Gradio calls every upload "Click to upload" and every ranked picture "Thumbnail 1 of 4". A list of choices so long that
// it scrolls is no stop of its own: the browser would make it one, and lose the focus when the list closes.
element.setAttribute("role", "status");
const page = element.closest(".gradio-container");
const call = (button, name) => { if (name && button.ariaLabel !== name) button.ariaLabel = name; };
const name = (key) => page.querySelector(".cs-header").dataset[key];
const speak = () => {
  for (const image of page.querySelectorAll("#ranked button > img")) call(image.parentElement, image.alt);
  for (const button of page.querySelectorAll("#pictures [aria-dropeffect]")) call(button, name("pictures"));
  for (const button of page.querySelectorAll("#reference [aria-dropeffect]")) call(button, name("reference"));
  for (const button of page.querySelectorAll("#list-files [aria-dropeffect]")) {
    call(button, page.querySelector("#list-files [data-testid=block-label]")?.textContent.trim());
  }
  for (const list of page.querySelectorAll("ul[role=listbox]")) list.tabIndex = -1;
  for (const part of page.querySelectorAll(".timebox > *")) {
    const label = part.closest(".block").querySelector("[data-testid=block-info]").textContent;
    call(part, part.matches("button") ? `${label}: ${name("calendar")}` : label);
  }
  for (const button of page.querySelectorAll(".picker .nav-button")) {
    call(button, name(button.nextElementSibling ? "before" : "after"));
  }
};
speak();
new MutationObserver(speak).observe(page, { subtree: true, childList: true, attributeFilter: ["alt", "aria-label"] });
