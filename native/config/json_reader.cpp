// SPDX-License-Identifier: Apache-2.0
#include "config/json_reader.h"

#include <algorithm>
#include <exception>

namespace mango::config {

using nlohmann::json;

namespace {

constexpr size_t kMaxKeyBytesShown = 64;

// The parser itself nests without a bound; what it makes is walked recursively by readers and destructors.
bool within_depth(std::string_view text) noexcept {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return false;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return true;
}

// RFC 6901, with control octets made harmless for terminals and logs.
void append_key(std::string& out, std::string_view key) {
  for (const char c : key.substr(0, kMaxKeyBytesShown)) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += (c < ' ' || c > '~') ? '?' : c;
    }
  }
}

bool fail_root(DecodeError& error, const char* message) {
  error = {"", message};
  return false;
}

}  // namespace

std::string Node::path() const {
  if (parent_ == nullptr) return {};
  std::string out = parent_->path();
  out += '/';
  if (key_.data() == nullptr) {
    out += std::to_string(index_);
  } else {
    append_key(out, key_);
  }
  return out;
}

bool Node::fail(std::string_view message) const {
  error_.path = path();
  error_.message = message;
  return false;
}

bool Node::boolean(bool& out) const {
  if (!value_.is_boolean()) return fail("expected true or false");
  out = value_.get<bool>();
  return true;
}

bool Node::text(std::string& out, const TextRule& rule) const {
  const auto* text = value_.get_ptr<const std::string*>();
  if (text == nullptr) return fail(std::string("expected text: ") + rule.expected);
  if (text->size() < rule.min_bytes) return fail(std::string("too short: expected ") + rule.expected);
  if (text->size() > rule.max_bytes) {
    return fail("longer than " + std::to_string(rule.max_bytes) + " bytes: expected " + rule.expected);
  }
  if (rule.holds != nullptr && !rule.holds(*text)) return fail(std::string("expected ") + rule.expected);
  out = *text;
  return true;
}

bool Node::integer(int64_t& out, int64_t least, int64_t most) const {
  const bool fits = value_.is_number_integer() &&
                    (!value_.is_number_unsigned() || value_.get<uint64_t>() <= kMaxSafeInteger);
  if (fits) out = value_.get<int64_t>();
  if (fits && out >= least && out <= most) return true;
  return fail("expected an integer from " + std::to_string(least) + " to " + std::to_string(most));
}

bool Node::array(size_t least, size_t most) const {
  if (!value_.is_array()) return fail("expected a list");
  if (value_.size() < least) return fail("expected at least " + std::to_string(least) + " entries");
  if (value_.size() > most) return fail("expected at most " + std::to_string(most) + " entries");
  return true;
}

bool Node::choice_index(size_t& index, std::span<const std::string_view> names) const {
  if (const auto* text = value_.get_ptr<const std::string*>(); text != nullptr) {
    const auto found = std::find(names.begin(), names.end(), *text);
    index = static_cast<size_t>(found - names.begin());
    if (found != names.end()) return true;
  }
  std::string message = "expected one of";
  for (const std::string_view name : names) message.append(" \"").append(name).append("\"");
  return fail(message);
}

bool Object::open() {
  return node_.value().is_object() || node_.fail("expected an object");
}

const json* Object::find(std::string_view key) {
  const auto found = node_.value().find(key);
  if (found == node_.value().end()) return nullptr;
  known_.push_back(key);
  return &*found;
}

bool Object::close() {
  if (known_.size() == node_.value().size()) return true;
  for (const auto& [key, value] : node_.value().items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    return Node(value, node_, key).fail("unknown member");
  }
  return true;
}

bool Object::boolean(std::string_view key, bool& out) {
  return member(key, [&](const Node& node) { return node.boolean(out); });
}

bool Object::text(std::string_view key, std::string& out, const TextRule& rule) {
  return member(key, [&](const Node& node) { return node.text(out, rule); });
}

bool Object::texts(std::string_view key, std::vector<std::string>& out, const TextRule& rule, size_t most) {
  return list(
      key, out, [&](const Node& node, std::string& item) { return node.text(item, rule); }, 0, most);
}

bool read_document(std::string_view text, void* out, RootReader read, DecodeError& error) {
  if (text.size() > kMaxDocumentBytes) return fail_root(error, "the document is too large");
  if (!within_depth(text)) return fail_root(error, "the document is nested too deeply");
  try {
    const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (root.is_discarded()) return fail_root(error, "not JSON");
    return read(Node(root, error), out);
  } catch (const std::exception&) {
    return fail_root(error, "not enough memory for the document");
  }
}

}  // namespace mango::config
