import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type EvaluatedScore, type EvaluationRecord, renderReport } from 'nacue';
import type { Browser, Page } from 'playwright-core';
import { plotNames } from '../dist/report/plot-names.js';
import { chromiumPath, launchChromium } from './chromium.js';
import { hostileName, recordGolden } from './evaluation-records.js';

describe('the page of a report, in Chromium', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue page '));
  const file = path.join(folder, 'report.html');
  let browser: Browser | undefined;
  let record: EvaluationRecord;
  let page: Page;
  /** What the page said and asked for. */
  let messages: string[];
  let requests: string[];

  before(async function () {
    const executable = chromiumPath();
    if (executable === undefined) {
      console.error('        there is no Chromium here: set CHROMIUM, or install it');
      return this.skip();
    }
    record = await recordGolden({ about: { model: hostileName }, tpr: 0.8 });
    fs.writeFileSync(file, await renderReport(record));
    browser = await launchChromium(executable);
  });

  after(async () => {
    await browser?.close();
    fs.rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    page = await (browser as Browser).newPage({ viewport: { width: 1000, height: 800 }, colorScheme: 'light' });
    messages = [];
    requests = [];
    page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => messages.push(`error: ${error.message}`));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    await page.waitForFunction("document.documentElement.dataset.plots === 'drawn'");
  });

  afterEach(async () => {
    assert.deepEqual(messages, []);
    await page.close();
  });

  it('draws every plot, with values in sight', async () => {
    for (const name of plotNames) {
      const box = await page.locator(`#plot-${name} svg`).boundingBox();
      assert.ok(box && box.width > 200 && box.height > 100, name);
      assert.ok((await page.locator(`#plot-${name} [class*="role-mark"] path`).count()) > 5, name);
      const drawn = await page.locator(`#plot-${name} svg`).innerHTML();
      assert.doesNotMatch(drawn, /NaN|undefined/, name);
    }
  });

  it('has the values of the record in its tables', async () => {
    const cells = await page.locator('#results ~ div [data-metric]').evaluateAll((found) =>
      found.map((cell) => {
        const row = cell.closest('tr');
        return {
          set: row?.dataset.set as string,
          score: row?.dataset.score as string,
          metric: (cell as HTMLElement).dataset.metric as string,
          value: Number(cell.querySelector('data')?.value),
          text: cell.textContent as string,
        };
      }),
    );
    assert.equal(cells.length, 2 * 4 * 6);
    for (const { set, score, metric, value, text } of cells) {
      const metrics = record.evaluation.sets[set]?.[score as EvaluatedScore];
      const expected = metrics?.[metric as keyof typeof metrics] as number;
      assert.equal(value, expected, `${set} ${score} ${metric}`);
      assert.equal(text, (100 * expected).toFixed(2));
    }
    const layers = await page.locator('table', { hasText: 'AUROC alone' }).locator('tbody tr').count();
    assert.equal(layers, 2 * record.layers.length);
  });

  it('asks for nothing but itself', () => {
    assert.deepEqual(
      requests.filter((url) => !url.startsWith('data:')),
      [pathToFileURL(file).href],
    );
  });

  it('cannot load anything, and runs no other script', async () => {
    const blocked = await page.evaluate(async () => {
      const image = new Image();
      const loaded = new Promise((resolve) => {
        image.onload = () => resolve(true);
        image.onerror = () => resolve(false);
      });
      image.src = 'https://example.org/a.png';
      const script = document.createElement('script');
      script.textContent = 'window.hacked = 1';
      document.body.append(script);
      return [await loaded, 'hacked' in window];
    });
    assert.deepEqual(blocked, [false, false]);
    assert.ok(
      messages.every((message) => /Content Security Policy/.test(message)) && messages.length === 2,
      String(messages),
    );
    messages = [];
  });

  it('shows names as text', async () => {
    assert.ok((await page.locator('h1').textContent())?.includes(hostileName));
    assert.equal(await page.locator('img:not([src^="data:image/png"])').count(), 0);
    assert.equal(await page.evaluate("'hacked' in window"), false);
    const labels = await page.locator('#plot-roc text').allTextContents();
    assert.ok(
      labels.some((label) => label.startsWith('</script><img')),
      String(labels),
    );
  });

  it('shows the pictures of samples', async () => {
    const widths = await page
      .locator('.samples img')
      .evaluateAll((images) => images.map((image) => (image as HTMLImageElement).naturalWidth));
    assert.deepEqual(new Set(widths), new Set([8]));
    assert.equal(widths.length, record.samples.length);
  });

  it('is readable in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const ground = await colorOf('body', 'background-color');
      assert.equal(luminance(ground) > 0.5, colorScheme === 'light');
      for (const [selector, property] of [
        ['body', 'color'],
        ['.muted', 'color'],
        ['summary', 'color'],
        ['#plot-roc .role-axis-title text', 'fill'],
      ] as const) {
        const ratio = contrast(await colorOf(selector, property), ground);
        assert.ok(ratio >= 4.5, `${selector} in ${colorScheme}: ${ratio}`);
      }
      const lines = await page
        .locator('#plot-roc .mark-line path')
        .evaluateAll((found) => [...new Set(found.map((line) => getComputedStyle(line).stroke))]);
      assert.equal(lines.length, 5); // four scores and what a guess gives
    }
  });

  it('is light on paper, also for readers in the dark', async () => {
    await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
    assert.ok(luminance(await colorOf('body', 'background-color')) > 0.9);
    for (const screenOnly of ['nav', 'details:not([open])'])
      assert.equal(await page.locator(screenOnly).first().isVisible(), false, screenOnly);
    const pdf = await page.pdf();
    assert.equal(pdf.toString('latin1', 0, 5), '%PDF-');
  });

  it('can be used by keyboard', async () => {
    await page.keyboard.press('Tab');
    assert.equal(await focused('textContent'), 'To the results');
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      seen.add(await focused('tagName'));
    }
    for (const tag of ['A', 'SUMMARY', 'SELECT', 'DIV', 'FIGURE']) assert.ok(seen.has(tag), tag);
    const details = page.locator('details').first();
    await details.locator('summary').focus();
    await page.keyboard.press('Enter');
    assert.equal(await details.getAttribute('open'), '');
    assert.ok(await details.locator('table').isVisible());
  });

  it('shows one score alone when it is asked to', async () => {
    const opacities = () =>
      page
        .locator('#plot-roc .mark-line path')
        .evaluateAll((lines) => lines.map((line) => Number(getComputedStyle(line).opacity)));
    assert.ok((await opacities()).every((opacity) => opacity === 1));
    await page.locator('#plot-roc select').focus();
    await page.keyboard.press('ArrowDown');
    await page.waitForFunction(
      "[...document.querySelectorAll('#plot-roc .mark-line path')].some((line) => getComputedStyle(line).opacity < 0.5)",
    );
    assert.equal((await opacities()).filter((opacity) => opacity < 0.5).length, 2 * 3);
  });

  it('describes its plots, and names its regions', async () => {
    for (const name of plotNames)
      assert.ok((await page.locator(`#plot-${name}`).getAttribute('aria-label'))?.endsWith('.'), name);
    const nameless = await page.locator('[role]:not(svg *):not([aria-label]), img:not([alt])').count();
    assert.equal(nameless, 0);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    const levels = await page
      .locator('h1, h2, h3')
      .evaluateAll((found) => found.map(({ tagName }) => Number(tagName[1])));
    for (const [i, level] of levels.entries()) assert.ok(level <= (levels[i - 1] ?? 0) + 1, `heading ${i}`);
  });

  it('fits a narrow window: what is wide scrolls by itself', async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= 320);
    const samples = page.locator('.samples').first().locator('li');
    const [left, right] = [await samples.nth(0).boundingBox(), await samples.nth(1).boundingBox()];
    assert.ok(left && right && left.y === right.y && left.x < right.x, 'two samples stand side by side');
  });

  it('has its tables and samples without scripts, too', async () => {
    const context = await (browser as Browser).newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    await plain.goto(pathToFileURL(file).href);
    assert.ok(await plain.locator('table').first().isVisible());
    assert.equal(await plain.locator('.samples li').count(), record.samples.length);
    await context.close();
  });

  const focused = (property: string) => page.evaluate<string>(`document.activeElement.${property}`);

  async function colorOf(selector: string, property: string): Promise<string> {
    return page
      .locator(selector)
      .first()
      .evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);
  }

  /** Relative luminance as WCAG 2 defines it. */
  function luminance(color: string): number {
    const [r, g, b] = (color.match(/[\d.]+/g) ?? []).map((value) => {
      const share = Number(value) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(a: string, b: string): number {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (high + 0.05) / (low + 0.05);
  }
});
