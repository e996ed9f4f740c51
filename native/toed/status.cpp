// SPDX-License-Identifier: Apache-2.0
#include "toed/status.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "toed/values.h"

namespace mango::toed {

namespace {

using std::string;

constexpr size_t kLabelWidth = 11;

// Escape sequences in a value are none of the terminal's business.
string printable(string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
  return text;
}

string field(const DeviceStatus& device, const string& name) {
  const auto found = device.fields.find(name);
  return found == device.fields.end() ? "" : printable(found->second);
}

string or_dash(string text) {
  return text.empty() ? "-" : text;
}

string size_text(const string& octets) {
  const auto size = parse_number(octets);
  if (!size) return or_dash(octets);
  double scaled = static_cast<double>(*size);
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (; scaled >= 1024 && unit + 1 < std::size(units); ++unit) scaled /= 1024;
  char text[32];
  std::snprintf(text, sizeof text,
                unit == 0 || scaled == static_cast<uint64_t>(scaled) ? "%.0f %s" : "%.1f %s", scaled,
                units[unit]);
  return text;
}

// The two largest units are enough: "3 d 4 h", "12 s".
string duration_text(const string& seconds) {
  const auto number = parse_number(seconds);
  if (!number) return or_dash(seconds);
  const std::pair<uint64_t, const char*> units[] = {{86'400, " d"}, {3'600, " h"}, {60, " min"}, {1, " s"}};
  string text;
  uint64_t rest = *number;
  int parts = 0;
  for (const auto& [size, name] : units) {
    if (parts == 2 || (parts == 0 && rest < size && size != 1)) continue;
    text += (parts > 0 ? " " : "") + std::to_string(rest / size) + name;
    rest %= size;
    ++parts;
  }
  return text;
}

int prefix_of(const string& mask) {
  for (int prefix = 0; prefix <= 32; ++prefix)
    if (subnet_mask(prefix) == mask) return prefix;
  return -1;
}

string address_text(const DeviceStatus& device) {
  const string ip = field(device, "device.ip");
  if (ip.empty()) return "-";
  const int prefix = prefix_of(field(device, "device.subnet"));
  const string interface = field(device, "device.interface");
  return ip + (prefix < 0 ? "" : '/' + std::to_string(prefix)) +
         (interface.empty() ? "" : " on " + interface);
}

void add_line(string& table, const string& label, const string& text) {
  table += "  " + label + string(kLabelWidth - std::min(kLabelWidth, label.size()) + 1, ' ') + text + '\n';
}

// All counters, several to a line, in the device's order.
void add_counters(string& table, const DeviceStatus& device) {
  constexpr std::string_view kPrefix = "counters.";
  constexpr size_t kLongestLine = 72;
  string line;
  string label = "counters";
  for (const string& name : device.order) {
    if (!name.starts_with(kPrefix)) continue;
    const string counter = name.substr(kPrefix.size());
    const bool octets = counter.ends_with("_bytes");
    const string value = octets ? size_text(field(device, name)) : field(device, name);
    const string item = (octets ? counter.substr(0, counter.size() - 6) : counter) + ' ' + value;
    if (!line.empty() && line.size() + item.size() + 2 > kLongestLine) {
      add_line(table, label, line + ',');
      label.clear();
      line.clear();
    }
    line += (line.empty() ? "" : ", ") + item;
  }
  if (!line.empty()) add_line(table, label, line);
}

void add_device(string& table, const DeviceStatus& device) {
  const auto of = [&](const char* name) { return or_dash(field(device, name)); };
  const string netns = field(device, "device.netns");
  table += "device " + std::to_string(device.index) + '\n';
  add_line(table, "state", of("device.state"));
  add_line(table, "version", of("device.version"));
  add_line(table, "uptime", duration_text(field(device, "device.uptime_seconds")));
  add_line(table, "pid", of("device.pid"));
  add_line(table, "address", address_text(device));
  add_line(table, "MAC", of("device.mac"));
  add_line(table, "namespace", netns.empty() ? "the process's own" : netns);
  add_line(table, "access", of("device.access"));
  add_line(table, "sessions", of("sessions.open") + " open, at most " + of("session.max"));
  add_line(table, "clients", of("clients.open"));
  add_line(table, "buffers",
           size_text(field(device, "session.rx_buffer_bytes")) + " to receive, " +
               size_text(field(device, "session.tx_buffer_bytes")) + " to send, per session");
  add_counters(table, device);
}

// Fields whose values are numbers by their meaning.
bool is_numeric(const string& name) noexcept {
  for (const char* prefix : {"counters.", "session.", "sessions.", "clients."})
    if (name.starts_with(prefix)) return true;
  return name == "device.pid" || name == "device.index" || name.ends_with("_seconds") ||
         name.ends_with("_us");
}

// Fields to be read, of lines "name rw|ro|wo".
std::vector<string> readable_fields(const string& list) {
  std::vector<string> names;
  for (const string& line : split(list, '\n')) {
    const auto words = split(line, ' ');
    const bool secret = words.size() > 1 && words[1] == "wo";
    if (!words[0].empty() && !secret && words[0] != "device.fields") names.push_back(words[0]);
  }
  return names;
}

}  // namespace

mango_status_e read_status(Client& client, int index, DeviceStatus& out) {
  out = {.index = index, .order = {}, .fields = {}};
  string list;
  if (const auto status = client.get("device.fields", list); status != MANGO_STATUS_OK) return status;
  for (const string& name : readable_fields(list)) {
    string value;
    const auto status = client.get(name, value);
    // Some have no value now, such as the MAC of an interface that is not there: they are left out.
    if (status == MANGO_STATUS_IPC_UNAVAILABLE) return status;
    if (status != MANGO_STATUS_OK) continue;
    out.order.push_back(name);
    out.fields[name] = value;
  }
  return MANGO_STATUS_OK;
}

string status_table(const std::vector<DeviceStatus>& devices) {
  string table;
  for (const DeviceStatus& device : devices) {
    if (!table.empty()) table += '\n';
    add_device(table, device);
  }
  return table;
}

string status_json(const std::vector<DeviceStatus>& devices, const string& ipc) {
  string json = "{\"ipc\":" + json_quoted(ipc) + ",\"devices\":[";
  for (const DeviceStatus& device : devices) {
    json += (json.ends_with('[') ? "" : ",") + ("{\"index\":" + std::to_string(device.index));
    for (const string& name : device.order) {
      const string& value = device.fields.at(name);
      const bool number = is_numeric(name) && parse_number(value).has_value();
      json += ',' + json_quoted(name) + ':' + (number ? value : json_quoted(value));
    }
    json += '}';
  }
  return json + "]}\n";
}

}  // namespace mango::toed
