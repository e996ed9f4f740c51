// SPDX-License-Identifier: Apache-2.0
// Typed reading of a JSON tree with a place for the first mistake. Internal to native/config.
//
// An Object is opened, each member is read exactly once, and close() refuses what nobody asked for. All of it
// chains with && and stops at the first mistake, whose path is rendered when it happens.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.h"

namespace mango::config {

// Bounds of any document, whatever it describes.
inline constexpr size_t kMaxDocumentBytes = size_t{512} << 20;
inline constexpr size_t kMaxDepth = 24;
inline constexpr size_t kMaxEntries = 1'000'000;
inline constexpr uint64_t kMaxSafeInteger =
    (uint64_t{1} << 53) - 1;  // the largest exact integer of JavaScript

// What the text may hold; each names its rule in the error.
struct TextRule {
  const char* expected;
  size_t min_bytes;
  size_t max_bytes;
  bool (*holds)(std::string_view text) noexcept;  // null = any
};

// A value and where it is. Paths are chains of these on the stack: nothing is built unless something is
// wrong.
class Node {
 public:
  Node(const nlohmann::json& value, DecodeError& error) noexcept : value_(value), error_(error) {}
  Node(const nlohmann::json& value, const Node& parent, std::string_view key) noexcept
      : value_(value), error_(parent.error_), parent_(&parent), key_(key) {}
  Node(const nlohmann::json& value, const Node& parent, size_t index) noexcept
      : value_(value), error_(parent.error_), parent_(&parent), index_(index) {}

  [[nodiscard]] const nlohmann::json& value() const noexcept { return value_; }
  [[nodiscard]] bool fail(std::string_view message) const;

  [[nodiscard]] bool boolean(bool& out) const;
  [[nodiscard]] bool text(std::string& out, const TextRule& rule) const;
  [[nodiscard]] bool integer(int64_t& out, int64_t least, int64_t most) const;
  template <typename Integer>
  [[nodiscard]] bool number(Integer& out, uint64_t least, uint64_t most) const {
    int64_t wide = 0;
    if (!integer(wide, static_cast<int64_t>(least), static_cast<int64_t>(most))) return false;
    out = static_cast<Integer>(wide);
    return true;
  }
  template <typename Enum>
  [[nodiscard]] bool choice(Enum& out, std::span<const std::string_view> names) const {
    size_t index = 0;
    if (!choice_index(index, names)) return false;
    out = static_cast<Enum>(index);
    return true;
  }
  // `read(node, item) -> bool` for each element.
  template <typename Item, typename Read>
  [[nodiscard]] bool list(std::vector<Item>& out, size_t least, size_t most, Read&& read) const {
    if (!array(least, most)) return false;
    out.reserve(value_.size());
    for (size_t i = 0; i < value_.size(); ++i) {
      if (!read(Node(value_[i], *this, i), out.emplace_back())) return false;
    }
    return true;
  }
  template <typename Item, typename Read>
  [[nodiscard]] bool nullable(std::optional<Item>& out, Read&& read) const {
    if (value_.is_null()) return true;
    return read(*this, out.emplace());
  }

 private:
  [[nodiscard]] bool array(size_t least, size_t most) const;
  [[nodiscard]] bool choice_index(size_t& index, std::span<const std::string_view> names) const;
  [[nodiscard]] std::string path() const;

  const nlohmann::json& value_;
  DecodeError& error_;
  const Node* parent_ = nullptr;
  std::string_view key_;
  size_t index_ = 0;
};

class Object {
 public:
  explicit Object(const Node& node) noexcept : node_(node) {}
  [[nodiscard]] bool open();
  // A member that has to be there: `read(node) -> bool`.
  template <typename Read>
  [[nodiscard]] bool member(std::string_view key, Read&& read) {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return node_.fail("lacks the member " + std::string(key));
    return read(Node(*value, node_, key));
  }
  // A member that may be absent.
  template <typename Read>
  [[nodiscard]] bool maybe(std::string_view key, Read&& read) {
    const nlohmann::json* value = find(key);
    return value == nullptr || read(Node(*value, node_, key));
  }
  // Refuses members that were not read.
  [[nodiscard]] bool close();

  [[nodiscard]] bool boolean(std::string_view key, bool& out);
  [[nodiscard]] bool text(std::string_view key, std::string& out, const TextRule& rule);
  [[nodiscard]] bool texts(std::string_view key, std::vector<std::string>& out, const TextRule& rule,
                           size_t most = kMaxEntries);
  template <typename Integer>
  [[nodiscard]] bool number(std::string_view key, Integer& out, uint64_t least = 0,
                            uint64_t most = std::numeric_limits<Integer>::max()) {
    const uint64_t bound = most < kMaxSafeInteger ? most : kMaxSafeInteger;
    return member(key, [&](const Node& node) { return node.number(out, least, bound); });
  }
  template <typename Enum>
  [[nodiscard]] bool choice(std::string_view key, Enum& out, std::span<const std::string_view> names) {
    return member(key, [&](const Node& node) { return node.choice(out, names); });
  }
  template <typename Item, typename Read>
  [[nodiscard]] bool list(std::string_view key, std::vector<Item>& out, Read&& read, size_t least = 0,
                          size_t most = kMaxEntries) {
    return member(key, [&](const Node& node) { return node.list(out, least, most, read); });
  }
  template <typename Item, typename Read>
  [[nodiscard]] bool nullable(std::string_view key, std::optional<Item>& out, Read&& read) {
    return member(key, [&](const Node& node) { return node.nullable(out, read); });
  }
  template <typename Item, typename Read>
  [[nodiscard]] bool object(std::string_view key, Item& out, Read&& read) {
    return member(key, [&](const Node& node) { return read(node, out); });
  }

 private:
  [[nodiscard]] const nlohmann::json* find(std::string_view key);

  const Node& node_;
  std::vector<std::string_view> known_;
  size_t found_ = 0;
};

// Parses text and hands its root to `read(node) -> bool`. Catches what the library or an allocation throws.
using RootReader = bool (*)(const Node& root, void* out);
[[nodiscard]] bool read_document(std::string_view json, void* out, RootReader read, DecodeError& error);

}  // namespace mango::config
