/** The rows as an SVG of horizontal bars: the time of each contestant over that of pytorch-ood. */

const colours = ['#1f6feb', '#d9730d', '#2da44e'];
const peerColour = '#8c959f';
const forwardColour = '#d0d7de';
const layout = { width: 900, left: 330, right: 140, bar: 14, gap: 4, group: 18, top: 44 };

export function chart(rows) {
  const longest = Math.max(...rows.flatMap((row) => barsOf(row).map(({ share }) => share)));
  const scale = (layout.width - layout.left - layout.right) / longest;
  let y = layout.top;
  const parts = [];
  for (const row of rows) {
    const bars = barsOf(row);
    const height = bars.length * (layout.bar + layout.gap);
    parts.push(text(layout.left - 10, y + height / 2, row.title, 'end'));
    for (const [i, bar] of bars.entries()) parts.push(barAt(y + i * (layout.bar + layout.gap), bar, scale));
    y += height + layout.group;
  }
  const size = `width="${layout.width}" height="${y}" viewBox="0 0 ${layout.width} ${y}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12" fill="#1f2328">`,
    '<title>Time of each row over that of pytorch-ood</title>',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    text(layout.left, layout.top / 2, 'time over that of pytorch-ood; shorter is better', 'start'),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function barsOf({ times, ratios }) {
  const bar = (name, label, colour) => {
    const { medianMs } = times[name];
    return { label: `${label}, ${medianMs.toPrecision(3)} ms`, share: medianMs / times.peer.medianMs, colour };
  };
  return [
    bar('peer', 'pytorch-ood', peerColour),
    ...Object.keys(ratios).map((mode, i) => bar(mode, `nacue, ${mode}`, colours[i % colours.length])),
    bar('forward', 'forward alone', forwardColour),
  ];
}

function barAt(y, { label, share, colour }, scale) {
  const width = share * scale;
  const rect = `<rect x="${layout.left}" y="${y}" width="${width.toFixed(1)}" height="${layout.bar}" fill="${colour}"/>`;
  return `${rect}\n${text(layout.left + width + 6, y + layout.bar / 2, label, 'start', 10)}`;
}

function text(x, y, content, anchor, size = 12) {
  const place = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" dominant-baseline="central" text-anchor="${anchor}"`;
  return `<text ${place} font-size="${size}">${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
