// Puts a button beside each command that copies it, and shows on paper what is folded on a screen.
// Without this script the page lacks these alone.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
for (const line of document.querySelectorAll("pre")) {
  const button = document.createElement("button");
  const name = () => { button.textContent = "Copy"; };
  button.type = "button";
  button.setAttribute("aria-live", "polite");
  name();
  button.addEventListener("click", async () => {
    const code = line.querySelector("code");
    let copied = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Press Ctrl-C";
    setTimeout(name, 2000);
  });
  line.parentElement.append(button);
}
