declare module 'node-gyp-build' {
  /** Opens the addon of a folder: `build/Release/*.node` first, then `prebuilds/PLATFORM-ARCH/*.node`. Throws when there is none. */
  function load(folder: string): unknown;
  namespace load {
    /** The file that it would open. */
    function resolve(folder: string): string;
  }
  export = load;
}
