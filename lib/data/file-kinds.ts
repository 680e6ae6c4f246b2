/** What a file of samples is, told by the end of its name. */
export type FileKind = 'image' | 'npy' | 'npz' | 'safetensors' | 'raw';

export const imageExtensions = ['avif', 'bmp', 'gif', 'jpeg', 'jpg', 'png', 'tif', 'tiff', 'webp'] as const;

const kindByExtension: ReadonlyMap<string, FileKind> = new Map<string, FileKind>([
  ...imageExtensions.map((extension): [string, FileKind] => [extension, 'image']),
  ['npy', 'npy'],
  ['npz', 'npz'],
  ['safetensors', 'safetensors'],
  ['raw', 'raw'],
  ['bin', 'raw'],
  ['f32', 'raw'],
]);

/** undefined where the name does not tell. */
export function kindByName(file: string): FileKind | undefined {
  return kindByExtension.get(/\.([^./]+)$/.exec(file)?.[1]?.toLowerCase() ?? '');
}
