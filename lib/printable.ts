/** Names of files, layers and arrays may hold anything: what could break a line, or act on a terminal, is written as its code. */

export function onOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, codeOf);
}

/** Of a text that has lines of its own. */
export function onItsLines(text: string): string {
  return text.replace(/(?![\n\t])\p{Cc}/gu, codeOf);
}

function codeOf(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
