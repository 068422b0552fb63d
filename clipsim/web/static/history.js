// A click on an earlier answer says which one.
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-key]");
  if (button) trigger("click", { key: button.dataset.key });
});
