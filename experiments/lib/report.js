/*
 * report.js - the page's only script: show and hide a model, and read values off a chart.
 *
 * The page is complete without it (values are the marks' own titles, all models are shown). It loads nothing, keeps
 * nothing, and works with pointer, touch and keyboard: Tab to a chart, arrow keys go from value to value,
 * Escape leaves.
 */
"use strict";
(() => {
	const bubble = document.createElement("div");
	bubble.id = "bubble";
	bubble.hidden = true;
	const spoken = document.createElement("p");
	spoken.setAttribute("role", "status");
	spoken.className = "for-screen-readers";
	document.body.append(bubble, spoken);

	const wordsOf = (mark) => mark.querySelector("title").textContent;
	let shown = null;

	function show(mark, speak) {
		if (shown) shown.classList.remove("shown");
		shown = mark;
		bubble.hidden = !mark;
		if (!mark) return;
		mark.classList.add("shown");
		bubble.textContent = wordsOf(mark);
		const box = mark.getBoundingClientRect();
		const left = box.left + box.width / 2 - bubble.offsetWidth / 2;
		const widest = document.documentElement.clientWidth - bubble.offsetWidth - 8;
		bubble.style.left = `${window.scrollX + Math.min(Math.max(left, 8), widest)}px`;
		bubble.style.top = `${window.scrollY + box.top - bubble.offsetHeight - 8}px`;
		if (speak) spoken.textContent = bubble.textContent;
	}

	/* The model a value belongs to is the first word of its title. */
	const models = [...document.querySelectorAll("button[data-toggle]")].map((button) => button.dataset.toggle);
	for (const mark of document.querySelectorAll("figure g.value")) {
		const model = wordsOf(mark).split(" ")[0];
		if (models.includes(model)) mark.dataset.model = model;
		mark.addEventListener("pointerenter", () => show(mark));
		mark.addEventListener("pointerleave", () => show(null));
		mark.addEventListener("click", () => show(mark, true));
	}

	for (const figure of document.querySelectorAll("figure")) {
		const values = () => [...figure.querySelectorAll("g.value:not(.hidden)")];
		if (!values().length) continue;
		figure.tabIndex = 0;
		figure.setAttribute("aria-label",
			`${figure.querySelector("svg > title").textContent} Arrow keys read its values one by one.`);
		figure.addEventListener("keydown", (event) => {
			const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
			if (event.key === "Escape") show(null);
			if (!step || !values().length) return;
			event.preventDefault();
			const all = values(), at = all.indexOf(shown);
			show(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length], true);
		});
		figure.addEventListener("blur", () => show(null));
	}

	/* A model hidden is hidden everywhere: its marks, its lines, its names, its rows in tables. */
	function set(model, visible) {
		for (const part of document.querySelectorAll(`[data-model="${model}"]`)) {
			const row = part.closest("tr");
			(row && row.firstElementChild === part ? row : part).classList.toggle("hidden", !visible);
		}
		const button = document.querySelector(`button[data-toggle="${model}"]`);
		button.setAttribute("aria-pressed", String(visible));
	}
	const pressed = (button) => button.getAttribute("aria-pressed") === "true";
	const buttons = [...document.querySelectorAll("button[data-toggle]")];
	for (const button of buttons) {
		button.addEventListener("click", () => set(button.dataset.toggle, !pressed(button)));
		button.addEventListener("dblclick", () => {
			for (const other of buttons) set(other.dataset.toggle, other === button);
		});
	}
	const all = document.getElementById("show-all");
	all.addEventListener("click", () => buttons.forEach((button) => set(button.dataset.toggle, true)));
	document.getElementById("models").hidden = false;
})();
