// Forms work without this file; with it they answer in place, and search answers while one types.
"use strict";
(() => {
  const SEARCH_PAUSE_MS = 200;
  const SAID_FOR_MS = 8000; // a failure stays until the next click, or Escape
  const status = document.getElementById("status");

  async function load(address, options = {}) {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, ...options });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return { ok: answer.ok, page };
  }

  let silence;
  function say(text, state) {
    clearTimeout(silence);
    status.className = `said ${state}`;
    status.textContent = text;
    if (state === "over ok") silence = setTimeout(() => say("", ""), SAID_FOR_MS);
  }

  function hush() {
    if (status.classList.contains("over")) say("", "");
  }
  document.addEventListener("click", hush);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hush());

  function show(page) {
    document.title = page.title;
    document.querySelector("main").replaceWith(page.querySelector("main"));
  }

  const forms = () => [...document.querySelectorAll("form[data-act]")];

  // The form that was used is gone; who works by keyboard goes on at its place in the new list.
  function focusAt(place, action) {
    const form = forms()[Math.min(place, forms().length - 1)];
    (form?.querySelector(`button[value="${action}"]`) ?? document.querySelector("main")).focus();
  }

  async function act(form, button) {
    const body = new URLSearchParams(new FormData(form));
    body.set(button.name, button.value);
    const place = forms().indexOf(form);
    form.setAttribute("aria-busy", "true");
    try {
      const { ok, page } = await load(form.action, { method: "POST", body });
      if (!ok) {
        say(page.querySelector("[data-said]")?.textContent ?? page.title, "over fail");
        return;
      }
      show(page);
      say(page.getElementById("status").textContent, "over ok");
      focusAt(place, button.value);
    } catch {
      say("The server doesn't answer. Try again.", "over fail");
    } finally {
      form.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("submit", (event) => {
    const { target: form, submitter: button } = event;
    if (!form.matches("form[data-act]") || !button) return;
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) act(form, button);
  });

  let pause, asked = 0;
  async function search(form) {
    const number = ++asked;
    const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
    const { ok, page } = await load(address).catch(() => ({ ok: false }));
    if (!ok || number !== asked) return; // an answer that came late is to an older question
    show(page);
    history.replaceState(null, "", address);
    say(document.querySelector("[data-said]").textContent, "quietly");
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-live]");
    if (!form || location.pathname !== form.getAttribute("action")) return;
    clearTimeout(pause);
    pause = setTimeout(() => search(form), SEARCH_PAUSE_MS);
  });
})();
