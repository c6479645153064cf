// A flag set on an engine whose sites can be looked at, and the documents that its tests load.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "engine_with_sites.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// One flag of a document: `"key": {…}`.
inline std::string flag(std::string_view key, std::string_view variants, std::string_view default_variant,
                        std::string_view state = "ENABLED") {
  return "\"" + std::string(key) + "\": {\"state\": \"" + std::string(state) + "\", \"variants\": {" +
         std::string(variants) + "}, \"defaultVariant\": \"" + std::string(default_variant) + "\"}";
}
inline std::string document(std::initializer_list<std::string> flags) {
  std::string out = "{\"flags\": {";
  for (const std::string& one : flags) out += (out.back() == '{' ? "\n" : ",\n") + one;
  return out + "}}";
}
// The same with a rule.
inline std::string targeted(std::string_view key, std::string_view variants, std::string_view default_variant,
                            std::string_view rule) {
  std::string out = flag(key, variants, default_variant);
  out.pop_back();
  return out + ", \"targeting\": " + std::string(rule) + "}";
}
inline const std::string by_tier = R"({"if": [{"==": [{"var": "tier"}, "gold"]}, "on", "off"]})";
inline const std::string on_off = "\"on\": true, \"off\": false";
inline const std::string numbers = "\"zero\": 0, \"one\": 1, \"many\": 5000, \"less\": -7";
inline const std::string colours = "\"red\": \"R\", \"green\": \"G\"";

// Of a truth or a variant.
inline bool is_on(const DemotableSwitch& key) {
  return key.value() == 1;
}

class FlagSetTest : public testing::Test {
 protected:
  LoadReport load(const std::string& json) {
    Result<LoadReport> report = set_.load_json(json, "f.json");
    EXPECT_TRUE(report) << report.error().message();
    return report ? std::move(*report) : LoadReport{};
  }
  std::string refused(const std::string& json) {
    Result<LoadReport> report = set_.load_json(json, "f.json");
    if (report) return "(loaded)";
    EXPECT_EQ(report.error().code(), ErrorCode::BadFlags);
    return report.error().message();
  }
  Flag& want(std::string_view name, FlagType type = FlagType::I32) {
    Result<Flag*> wanted = set_.want(name, type, "g.wasm");
    EXPECT_TRUE(wanted) << wanted.error().message();
    return **wanted;
  }
  std::string unwanted(std::string_view name, FlagType type) {
    Result<Flag*> wanted = set_.want(name, type, "g.wasm");
    if (wanted) return "(wanted)";
    EXPECT_EQ(wanted.error().code(), ErrorCode::BadFlags);
    return wanted.error().message();
  }

  EngineWithSites host_;
  FlagSet set_{host_.engine()};
};

}  // namespace shunt::flags
