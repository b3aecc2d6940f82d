// A lesson's page: what it shows at each position of its controls is in it; this switches.
"use strict";
(() => {
  const lesson = JSON.parse(document.getElementById("lesson").textContent);
  const inputs = lesson.controls.map((control) => document.getElementById(control.id));
  const places = lesson.controls.map((control) => control.start);
  const shown = lesson.outputs.map(() => null); // what stands in the page is of the start

  function placeOf(k) {
    const input = inputs[k];
    return input.type === "checkbox" ? Number(input.checked) : Number(input.value);
  }

  // What an output has at the places of the controls it depends on, in the order of the lists.
  function at(output) {
    return output.by.reduce((n, k) => n * lesson.controls[k].said.length + places[k], 0);
  }

  function picture(svg, alt) {
    const image = document.createElement("img");
    image.alt = alt;
    image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
    return image;
  }

  function show() {
    lesson.outputs.forEach((output, n) => {
      const which = output.of[at(output)];
      if (which === shown[n]) return;
      shown[n] = which;
      const box = document.getElementById(output.id);
      const what = lesson.shown[which];
      if (what === null) box.replaceChildren();
      else if (what.svg) box.replaceChildren(picture(what.svg, what.alt));
      else box.innerHTML = what.html;
    });
  }

  function said(k) {
    const word = lesson.controls[k].said[places[k]];
    if (inputs[k].type === "range") inputs[k].setAttribute("aria-valuetext", word);
    const beside = document.getElementById(`${lesson.controls[k].id}-said`);
    if (beside) beside.textContent = word;
  }

  lesson.outputs.forEach((output, n) => {
    shown[n] = output.of[at(output)];
  });
  inputs.forEach((input, k) => {
    input.disabled = false;
    input.addEventListener("input", () => {
      places[k] = placeOf(k);
      said(k);
      show();
    });
    places[k] = placeOf(k); // a browser may remember where a control stood
    said(k);
  });
  show();
  document.documentElement.dataset.ready = "true";
})();
