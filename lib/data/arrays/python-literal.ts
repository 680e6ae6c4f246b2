/** Python literals as headers of .npy files have them: strings, whole numbers, True, False, tuples, lists, dictionaries. */
export type PythonLiteral = string | number | boolean | PythonLiteral[] | Map<string, PythonLiteral>;

const tokens = /\s*(?:('[^'\\]*'|"[^"\\]*")|(\d+)L?(?![\w.])|(True|False)\b|([[\](){},:]))/y;
/** NumPy's own need 4. */
const deepest = 32;

/** undefined where the text is no such literal. */
export function parsePythonLiteral(text: string): PythonLiteral | undefined {
  const trimmed = text.trimEnd();
  const found: string[] = [];
  tokens.lastIndex = 0;
  while (tokens.lastIndex < trimmed.length) {
    const match = tokens.exec(trimmed);
    if (!match) return undefined;
    found.push((match[1] ?? match[2] ?? match[3] ?? match[4]) as string);
  }
  try {
    const parser = new Parser(found);
    const literal = parser.value(0);
    return parser.ended ? literal : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Parser {
  readonly #tokens: readonly string[];
  #next = 0;

  constructor(found: readonly string[]) {
    this.#tokens = found;
  }

  get ended(): boolean {
    return this.#next === this.#tokens.length;
  }

  value(depth: number): PythonLiteral {
    if (depth > deepest) throw new SyntaxError('too deep');
    const token = this.#take();
    if (/^['"]/.test(token)) return token.slice(1, -1);
    if (/^\d/.test(token)) return wholeNumber(token);
    if (token === 'True' || token === 'False') return token === 'True';
    if (token === '{') return this.#dictionary(depth);
    if (token === '[') return this.#items(']', depth).values;
    if (token === '(') return this.#tuple(depth);
    throw new SyntaxError(`unexpected ${token}`);
  }

  #tuple(depth: number): PythonLiteral {
    const { values, commas } = this.#items(')', depth);
    const [only] = values;
    return values.length === 1 && commas === 0 && only !== undefined ? only : values; // (3) is 3, (3,) a tuple
  }

  #items(end: string, depth: number): { values: PythonLiteral[]; commas: number } {
    const values: PythonLiteral[] = [];
    let commas = 0;
    while (!this.#accept(end)) {
      if (values.length > commas) throw new SyntaxError('a comma is missing');
      values.push(this.value(depth + 1));
      if (this.#accept(',')) commas += 1;
    }
    return { values, commas };
  }

  #dictionary(depth: number): Map<string, PythonLiteral> {
    const entries = new Map<string, PythonLiteral>();
    let commas = 0;
    while (!this.#accept('}')) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string' || entries.has(key) || entries.size > commas || !this.#accept(':'))
        throw new SyntaxError('no entry of a dictionary');
      entries.set(key, this.value(depth + 1));
      if (this.#accept(',')) commas += 1;
    }
    return entries;
  }

  #accept(token: string): boolean {
    if (this.#tokens[this.#next] !== token) return false;
    this.#next += 1;
    return true;
  }

  #take(): string {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw new SyntaxError('it ends too early');
    this.#next += 1;
    return token;
  }
}

function wholeNumber(token: string): number {
  const number = Number(token);
  if (!Number.isSafeInteger(number)) throw new SyntaxError('too large');
  return number;
}
