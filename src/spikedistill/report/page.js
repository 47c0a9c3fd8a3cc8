"use strict";
/* Sorting, filtering, unfolding seeds, and a dialog for one setting. Without it the page shows everything, in a row. */
(() => {
  document.documentElement.classList.add("js");
  const table = document.getElementById("runs-table");
  const dialog = document.getElementById("dialog");
  const opened = document.getElementById("opened");
  const details = document.getElementById("details");

  /* One setting in the dialog: its article is moved there, and back when it is closed. */
  let home = null;
  let asker = null;
  const bringBack = () => {
    const article = opened.firstElementChild;
    if (article && home) home.replaceWith(article);
    home = null;
  };
  const open = (target) => {
    const article = target && target.closest("article.run");
    if (!article) return false;
    if (!opened.contains(article)) {
      bringBack();
      home = document.createComment("article");
      article.replaceWith(home);
      opened.append(article);
    }
    if (!dialog.open) {
      asker = document.activeElement;
      dialog.showModal();
    }
    dialog.setAttribute("aria-labelledby", article.getAttribute("aria-labelledby"));
    if (target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView({ block: "nearest" });
      target.querySelector("summary").focus();
    } else {
      dialog.scrollTop = 0;
      article.focus({ preventScroll: true });
    }
    return true;
  };
  const follow = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const shown = id && open(document.getElementById(id));
    if (!shown && dialog.open) dialog.close();
  };
  if (dialog && details) {
    dialog.addEventListener("close", () => {
      bringBack();
      if (/^#(setting|run)-/.test(location.hash)) history.pushState(null, "", location.pathname + location.search);
      if (asker && asker.isConnected) asker.focus();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.getElementById("close").addEventListener("click", () => dialog.close());
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    document.addEventListener("click", (event) => {
      const link = event.target.closest && event.target.closest('a[href^="#setting-"], a[href^="#run-"]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const target = document.getElementById(link.getAttribute("href").slice(1));
      if (open(target)) history.pushState(null, "", link.getAttribute("href"));
    });
  }
  if (!table) { follow(); return; }

  const groups = Array.from(table.tBodies);
  const count = document.getElementById("count");
  const none = document.getElementById("none");
  const search = document.getElementById("search");
  const clear = document.getElementById("clear");
  const filters = Array.from(document.querySelectorAll("[data-filter]"));

  /* Filters: every word of the search is found somewhere, every choice is met. */
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = filters.filter((one) => one.value);
    let shown = 0;
    for (const group of groups) {
      const fits = chosen.every((one) => group.dataset[one.dataset.filter] === one.value)
        && words.every((word) => group.dataset.words.includes(word));
      group.hidden = !fits;
      shown += fits;
    }
    count.value = shown === groups.length ? `${shown} settings` : `${shown} of ${groups.length} settings`;
    none.hidden = shown > 0;
    clear.hidden = !words.length && !chosen.length;
  };
  search.addEventListener("input", filter);
  for (const one of filters) one.addEventListener("change", filter);
  clear.addEventListener("click", () => {
    search.value = "";
    for (const one of filters) one.value = "";
    filter();
    search.focus();
  });
  search.form.addEventListener("submit", (event) => event.preventDefault());

  /* Sorting: a column of numbers from the largest at first, text from A; what has no value is always last. */
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, place) => {
    const numeric = head.classList.contains("number");
    head.querySelector("button").addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const up = before ? before === "descending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (group) => group.rows[0].cells[place].dataset.v;
      const compare = (a, b) => (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
      groups.map((group) => [value(group), group]).sort(([a], [b]) => {
        if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1);
        return up ? compare(a, b) : compare(b, a);
      }).forEach(([, group]) => table.append(group));
    });
  });

  /* Seeds are unfolded by their button; a click anywhere else in a row opens its setting or run. */
  table.addEventListener("click", (event) => {
    const button = event.target.closest(".unfold");
    if (button) {
      const unfolded = button.closest("tbody").classList.toggle("open");
      button.setAttribute("aria-expanded", String(unfolded));
      return;
    }
    const row = event.target.closest("tbody tr");
    if (row && !event.target.closest("a, button") && !String(getSelection())) row.querySelector("a").click();
  });
  filter();
  follow();
})();
