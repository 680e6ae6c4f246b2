/** What the page does when it is opened: it draws the plots whose specifications it holds. */

/** Plain JavaScript for a browser. `vega` is the script before it. */
export const pageScript = `
(() => {
  const specs = JSON.parse(document.getElementById('plot-specs').textContent);
  for (const [name, spec] of Object.entries(specs)) {
    const container = document.getElementById('plot-' + name);
    new vega.View(vega.parse(spec), { renderer: 'svg', container, hover: true }).run();
  }
  document.documentElement.dataset.plots = 'drawn';
})();
`;
