// What the theme leaves to do for keyboards and screen readers: wide tables scroll by keyboard, an
// empty cell is no header, and a navigation in a navigation, or around a button, is no place of its
// own to go to.
window.addEventListener("load", () => {
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => (table.tabIndex = 0));
  document.querySelectorAll("th:empty").forEach((cell) =>
    cell.replaceWith(document.createElement("td")),
  );
  document.querySelectorAll("nav nav, .md-code__nav").forEach((nav) => {
    ["aria-label", "aria-labelledby", "aria-expanded"].forEach((name) => nav.removeAttribute(name));
    nav.role = "none";
  });
});
