# For node-gyp and the tools on top of it (prebuildify, node-gyp-build): the build itself is CMakeLists.txt.
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
