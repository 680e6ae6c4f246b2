/** A headless Chromium for tests: CHROMIUM, or the one on PATH. */
import { execFileSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

/** Undefined where there is none, which CI must not accept. */
export function chromiumPath(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const found = ['chromium', 'chromium-browser', 'google-chrome'].map(onPath).find((file) => file !== undefined);
  if (found === undefined && process.env.CI === 'true') {
    throw new Error('CI needs Chromium (Debian: `apt-get install chromium`), or CHROMIUM set to its path');
  }
  return found;
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

function onPath(program: string): string | undefined {
  try {
    return execFileSync('which', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
