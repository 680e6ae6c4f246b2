// JavaScript values <-> the plain types of native/search, in pairs. JavaScript thread only.
#pragma once

#include <napi.h>

#include <vector>

#include "search/search_options.h"

namespace nacue {

// What a search has found, without the search.
struct SearchResult {
  std::vector<RankedCandidate> ranking;
  RankedCandidate own;
  size_t scored = 0;
  bool is_exhaustive = true;
  bool is_on_disk = false;
};

SearchOptions ToSearchOptions(const Napi::Value& value);
SearchCandidate ToSearchCandidate(const Napi::Value& value);

Napi::Value ToJs(Napi::Env env, const SearchResult& result);

}  // namespace nacue
