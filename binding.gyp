# For node-gyp and the tools on top of it: the build itself is CMakeLists.txt. `npm run prebuild` does without node-gyp.
{
  "targets": [
    {
      "target_name": "nacue",
      "type": "none",
      "actions": [
        {
          "action_name": "build_with_cmake_js",
          "inputs": ["CMakeLists.txt"],
          # Never made, so that the action always runs: CMake knows better what is stale.
          "outputs": ["<(PRODUCT_DIR)/always"],
          "action": ["node", "scripts/build.mjs", "--copy-to", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
