declare module 'node-gyp-build' {
  /** Loads the addon under `dir`: `build/Release`, else `prebuilds/<platform>-<arch>`. Throws when there is none. */
  function load(dir: string): unknown;
  namespace load {
    /** The path of the file that {@link load} would open. */
    function path(dir: string): string;
  }
  export = load;
}
